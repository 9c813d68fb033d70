//! What a lane's future runs on. The plain epoll runtime is tokio's current-thread one: it works in every container. glommio comes
//! beside it behind the same [`Host`](super::Host).

mod epoll;

pub(super) use epoll::{EpollHost, block_on};
