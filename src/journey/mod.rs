//! The journey of a batch: consume → decode → inspect → measure → persist → publish; and of an epoch: settle. No stage imports another.

pub mod consume;
pub mod decode;
pub mod inspect;
pub mod measure;
pub mod persist;
pub mod publish;
pub mod settle;
