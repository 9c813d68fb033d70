//! Child processes that die with the test process, whatever ends it.
//!
//! Linux ties the parent-death signal to the THREAD that forked. A test runs on a thread that ends with the test, so all children are
//! forked by one thread that lives as long as the process.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};

type Birth = (Command, Sender<io::Result<Child>>);

/// Starts `command` so that the kernel kills it (SIGKILL) when this process is gone.
pub fn spawn(mut command: Command) -> io::Result<Child> {
    static NURSE: OnceLock<Mutex<Sender<Birth>>> = OnceLock::new();
    let nurse = NURSE.get_or_init(|| {
        let (births, orders) = channel::<Birth>();
        let live = move || orders.into_iter().for_each(|(mut command, answer)| drop(answer.send(command.spawn())));
        std::thread::Builder::new().name("nurse".to_owned()).spawn(live).expect("a thread can be started");
        Mutex::new(births)
    });
    let parent = std::process::id();
    // SAFETY: between fork and exec only async-signal-safe calls are made: prctl and getppid. No allocation, no lock.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the call above.
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
    let (answer, child) = channel();
    nurse.lock().expect("no holder panics").send((command, answer)).expect("the nurse lives as long as the process");
    child.recv().expect("the nurse answers each order")
}

/// Sends `signal` to a child that has not been waited for: its pid cannot belong to anybody else.
pub fn signal(child: &Child, signal: i32) {
    let pid = libc::pid_t::try_from(child.id()).expect("a pid is positive");
    // SAFETY: kill takes no pointers; the pid is our own child's.
    let result = unsafe { libc::kill(pid, signal) };
    assert_eq!(result, 0, "signal {signal} to {pid}: {}", io::Error::last_os_error());
}
