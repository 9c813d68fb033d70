use super::*;

#[test]
fn causes_that_an_operator_meets_have_their_own_remedy() {
    let codes = [
        (libc::ENOSPC, "disk is full"),
        (libc::EDQUOT, "quota"),
        (libc::EROFS, "read-only"),
        (libc::EACCES, "read and write access"),
        (libc::EPERM, "read and write access"),
        (libc::EXDEV, "one file system"),
        (libc::ENOTDIR, "Something else has the name"),
        (libc::ENAMETOOLONG, "too long"),
        (libc::EMFILE, "ulimit -n"),
        (libc::EIO, "kernel's log"),
        (libc::ENOLCK, "cannot lock"),
    ];
    for (code, words) in codes {
        let remedy = remedy(&io::Error::from_raw_os_error(code));
        assert!(remedy.contains(words), "{code}: {remedy}");
    }
}

#[test]
fn a_message_has_action_path_cause_and_remedy() {
    let error = failed("cannot write", Path::new("/lake/x"))(io::Error::from_raw_os_error(libc::ENOSPC)).to_string();
    for words in ["cannot write /lake/x", "No space left", "free space"] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_move_never_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::write(&from, "new").unwrap();
    fs::write(&to, "old").unwrap();
    assert_eq!(move_once(&from, &to).unwrap(), Moved::Occupied);
    assert_eq!(fs::read(&from).unwrap(), b"new");
    assert_eq!(fs::read(&to).unwrap(), b"old");
    fs::remove_file(&to).unwrap();
    assert_eq!(move_once(&from, &to).unwrap(), Moved::Yes);
    assert_eq!(fs::read(&to).unwrap(), b"new");
    assert_eq!(move_once(&from, &to).unwrap(), Moved::NoSource);
}

#[test]
fn a_file_system_that_cannot_refuse_to_replace_links_instead() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    for code in [libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP] {
        let cannot = || Err(io::Error::from_raw_os_error(code));
        fs::write(&from, "new").unwrap();
        fs::write(&to, "old").unwrap();
        assert_eq!(finish_move(cannot(), &from, &to).unwrap(), Moved::Occupied);
        assert_eq!(fs::read(&to).unwrap(), b"old");
        fs::remove_file(&to).unwrap();
        assert_eq!(finish_move(cannot(), &from, &to).unwrap(), Moved::Yes);
        assert_eq!(fs::read(&to).unwrap(), b"new");
        assert_eq!(finish_move(cannot(), &from, &to).unwrap(), Moved::NoSource);
    }
}

#[test]
fn a_crash_between_link_and_unlink_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::write(&from, "bytes").unwrap();
    fs::hard_link(&from, &to).unwrap();
    assert_eq!(move_once(&from, &to).unwrap(), Moved::Yes);
    assert!(!from.exists());
    assert_eq!(fs::read(&to).unwrap(), b"bytes");
}

#[test]
fn the_first_writer_of_a_file_wins() {
    let dir = tempfile::tempdir().unwrap();
    write_once(dir.path(), "name", b"first").unwrap();
    write_once(dir.path(), "name", b"second").unwrap();
    assert_eq!(fs::read(dir.path().join("name")).unwrap(), b"first");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a draft stayed");
}

#[test]
fn directories_come_back_when_somebody_deletes_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut durable = DurableDirs::default();
    let made = durable.create(dir.path(), Path::new("a/b")).unwrap();
    fs::remove_dir_all(dir.path().join("a")).unwrap();
    assert_eq!(durable.create(dir.path(), Path::new("a/b")).unwrap(), made);
    assert!(made.is_dir());
}

#[test]
fn a_file_in_the_place_of_a_directory_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "").unwrap();
    let error = DurableDirs::default().create(dir.path(), Path::new("a/b")).unwrap_err().to_string();
    assert!(error.contains("cannot create the folder") && error.contains("/a"), "{error}");
}
