//! A small disk for the lake: a file system in memory, in a mount namespace of its own, that can be full, read-only, or away.
//!
//! Who is not root gets a user namespace besides. Outside, the lake's folder is empty all the while; its files are reached through
//! /proc/<keeper>/root.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::stage::{PATIENCE, Stage};
use crate::support::process::Process;

pub(crate) struct Disk {
    /// Holds the namespace.
    keeper: Process,
    /// Where the file system is mounted for good.
    place: PathBuf,
    /// The lake's folder: the same once more, as far as it is not away.
    lake: PathBuf,
}

impl Disk {
    /// The lake of the stage lies on a file system of `size` from now on.
    pub(crate) fn new(stage: &Stage, size: &str) -> Disk {
        let (place, lake) = (stage.scratch_file("disk"), stage.lake());
        fs::create_dir(&place).unwrap();
        fs::create_dir(&lake).unwrap();
        let mut command = Command::new("unshare");
        command.arg(if is_root() { "-m" } else { "-Urm" });
        let script = format!(
            "mount -t tmpfs -o size={size} lake '{place}' && mount --bind '{place}' '{lake}' && echo mounted && \
             exec setpriv --pdeathsig KILL sleep infinity",
            place = place.display(),
            lake = lake.display(),
        );
        command.args(["sh", "-c", &script]);
        let mut keeper = Process::spawn(command);
        keeper.wait_line(PATIENCE, "mounted");
        Disk { keeper, place, lake }
    }

    /// The command, as seen from within.
    pub(crate) fn within(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["-t", &self.keeper.pid().to_string(), "-m"]);
        if !is_root() {
            inside.args(["-U", "--preserve-credentials"]);
        }
        // The tie of child to test is lost where credentials change.
        inside.args(["setpriv", "--pdeathsig", "KILL"]).arg(command.get_program()).args(command.get_args());
        inside
    }

    fn mount(&self, program: &str, args: &[&str], at: &Path) {
        let mut command = Command::new(program);
        command.args(args).arg(at);
        Process::spawn(self.within(&command)).wait_success(PATIENCE);
    }

    fn seen(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.pid()));
        root.join(path.strip_prefix("/").expect("an absolute path"))
    }

    /// Another program's file takes all that is free.
    pub(crate) fn fill(&self) {
        let mut file = fs::File::create(self.seen(&self.place.join("filler"))).unwrap();
        let block = vec![0_u8; 4_096];
        let error = loop {
            if let Err(error) = file.write_all(&block) {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.seen(&self.place.join("filler"))).unwrap();
    }

    /// Over the lake lies the same, read-only.
    pub(crate) fn make_read_only(&self) {
        self.mount("mount", &["--bind", &self.place.display().to_string()], &self.lake);
        self.mount("mount", &["-o", "remount,bind,ro"], &self.lake);
    }

    /// The lake's folder is what it was before anything was mounted: empty.
    pub(crate) fn take_away(&self) {
        self.mount("umount", &["-l"], &self.lake);
    }

    pub(crate) fn bring_back(&self) {
        self.mount("mount", &["--bind", &self.place.display().to_string()], &self.lake);
    }

    /// Nothing was written beside the disk while it was away.
    pub(crate) fn assert_nothing_beside(&self) {
        assert_eq!(fs::read_dir(&self.lake).unwrap().count(), 0, "written into the mount point");
    }

    /// Copies the lake out, for those who read it.
    pub(crate) fn copy_out(&self) {
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(self.seen(&self.place).join(".")).arg(&self.lake);
        Process::spawn(copy).wait_success(PATIENCE);
    }
}

fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
