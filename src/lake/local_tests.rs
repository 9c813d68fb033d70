use super::*;
use crate::batch::{Hour, Table};
use crate::lake::{Lake, OpenOptions};

const WRITER: &str = "plant.a.0";

struct Place {
    dir: tempfile::TempDir,
    lake: Lake,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = OpenOptions { group: "plant".to_owned(), instance: Some("a".to_owned()) };
        let lake = Lake::open(dir.path(), options).unwrap();
        Self { dir, lake }
    }

    fn storage(&self) -> LocalStorage {
        self.lake.storage(WRITER).unwrap()
    }

    fn staging(&self) -> PathBuf {
        self.dir.path().join(STAGING).join(WRITER)
    }

    fn files(&self) -> Vec<String> {
        let mut files: Vec<_> =
            fs::read_dir(self.staging()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    }
}

fn segment(table: Table, hour: i64, bytes: &[u8]) -> EncodedSegment {
    EncodedSegment { table, hour: Hour(hour), rows: 1, bytes: bytes.to_vec(), crc32c: crc32c::crc32c(bytes) }
}

fn two() -> Vec<EncodedSegment> {
    vec![segment(Table::Readings, 492_000, b"readings"), segment(Table::Rejects, 492_001, b"rejects")]
}

#[test]
fn what_is_put_is_staged_and_what_is_revealed_is_visible() {
    let place = Place::new();
    let mut storage = place.storage();
    let epoch = Uuid::now_v7();
    let staged = storage.put(epoch, &two()).unwrap();
    assert_eq!(storage.staged().unwrap(), staged);
    assert_eq!(place.files().len(), 2);
    storage.reveal(&staged).unwrap();
    assert_eq!(storage.staged().unwrap(), []);
    for (segment, one) in two().iter().zip(&staged) {
        let path = place.dir.path().join(storage.visible_path(&one.name));
        assert_eq!(fs::read(path).unwrap(), segment.bytes);
    }
}

#[test]
fn reveal_goes_on_where_an_earlier_one_stopped() {
    let place = Place::new();
    let mut storage = place.storage();
    let staged = storage.put(Uuid::now_v7(), &two()).unwrap();
    storage.reveal(&staged[..1]).unwrap();
    drop(storage);
    // A new life knows only what is left, an abandoned settle still knows all.
    let mut storage = place.storage();
    assert_eq!(storage.staged().unwrap(), staged[1..]);
    storage.reveal(&staged).unwrap();
    storage.reveal(&staged).unwrap();
    assert_eq!(place.lake.visible_segments().count(), 2);
}

#[test]
fn reveal_finishes_a_file_with_both_names() {
    let place = Place::new();
    let mut storage = place.storage();
    let staged = storage.put(Uuid::now_v7(), &two()[..1]).unwrap();
    let visible = place.dir.path().join(storage.visible_path(&staged[0].name));
    fs::create_dir_all(visible.parent().unwrap()).unwrap();
    fs::hard_link(&staged[0].place, &visible).unwrap();
    storage.reveal(&staged).unwrap();
    assert!(visible.is_file());
    assert_eq!(storage.staged().unwrap(), []);
}

#[test]
fn reveal_never_replaces() {
    let place = Place::new();
    let mut storage = place.storage();
    let staged = storage.put(Uuid::now_v7(), &two()[..1]).unwrap();
    let visible = place.dir.path().join(storage.visible_path(&staged[0].name));
    fs::create_dir_all(visible.parent().unwrap()).unwrap();
    fs::write(&visible, "somebody else's").unwrap();
    let error = storage.reveal(&staged).unwrap_err().to_string();
    assert!(error.contains("already") && error.contains("Move that file"), "{error}");
    assert_eq!(fs::read(&visible).unwrap(), b"somebody else's");
    assert_eq!(storage.staged().unwrap(), staged, "what was staged stays");
}

#[test]
fn a_committed_segment_that_is_nowhere_is_an_error() {
    let place = Place::new();
    let mut storage = place.storage();
    let staged = storage.put(Uuid::now_v7(), &two()).unwrap();
    fs::remove_file(&staged[1].place).unwrap();
    let error = storage.reveal(&staged).unwrap_err().to_string();
    assert!(error.contains("neither staged nor visible"), "{error}");
}

#[test]
fn discard_may_be_repeated() {
    let place = Place::new();
    let mut storage = place.storage();
    let staged = storage.put(Uuid::now_v7(), &two()).unwrap();
    let kept = storage.put(Uuid::now_v7(), &two()).unwrap();
    storage.discard(&staged).unwrap();
    storage.discard(&staged).unwrap();
    assert_eq!(storage.staged().unwrap(), kept);
    assert_eq!(place.lake.visible_segments().count(), 0);
}

#[test]
fn torn_files_are_deleted_and_strangers_left_alone() {
    let place = Place::new();
    let mut storage = place.storage();
    let staged = storage.put(Uuid::now_v7(), &two()).unwrap();
    let torn = place.staging().join(format!("{}.readings.2026-11-21T03.parquet.tmp", Uuid::now_v7()));
    fs::write(&torn, "half").unwrap();
    fs::write(place.staging().join("notes.txt"), "mine").unwrap();
    assert_eq!(storage.staged().unwrap(), staged);
    assert!(!torn.exists());
    assert!(place.staging().join("notes.txt").exists());
}

#[test]
fn a_put_that_fails_leaves_nothing_staged() {
    let place = Place::new();
    let mut storage = place.storage();
    let epoch = Uuid::now_v7();
    // A directory where the second segment's draft is to be written.
    let name = SegmentName { epoch, table: Table::Rejects, hour: Hour(492_001) };
    let obstacle = place.staging().join(format!("{}.tmp", staged_file(&name)));
    fs::create_dir(&obstacle).unwrap();
    let error = storage.put(epoch, &two()).unwrap_err().to_string();
    assert!(error.contains("cannot create") && error.contains("Something else has the name"), "{error}");
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(place.files(), Vec::<String>::new());
    // The same epoch may be put again.
    assert_eq!(storage.put(epoch, &two()).unwrap().len(), 2);
    assert_eq!(storage.put(epoch, &two()).unwrap(), storage.staged().unwrap());
}

#[test]
fn quarantine_keeps_the_bytes_and_says_why() {
    let place = Place::new();
    let mut storage = place.storage();
    let staged = storage.put(Uuid::now_v7(), &two()).unwrap();
    storage.quarantine(&staged, "the epoch records have expired").unwrap();
    storage.quarantine(&staged, "asked again").unwrap();
    assert_eq!(storage.staged().unwrap(), []);
    let dir = place.dir.path().join(QUARANTINE).join(WRITER);
    for (segment, one) in two().iter().zip(&staged) {
        let file = dir.join(staged_file(&one.name));
        assert_eq!(fs::read(&file).unwrap(), segment.bytes);
        let why = fs::read_to_string(dir.join(format!("{}.why.txt", staged_file(&one.name)))).unwrap();
        assert_eq!(why, "the epoch records have expired\n");
    }
    storage.quarantine(&[], "nothing").unwrap();
    assert_eq!(place.lake.visible_segments().count(), 0);
}

#[test]
fn the_disk_and_the_memory_agree_on_paths() {
    let place = Place::new();
    let storage = place.storage();
    let memory = crate::lake::MemoryStorage::new(WRITER);
    let name = SegmentName { epoch: Uuid::now_v7(), table: Table::Events, hour: Hour(7) };
    assert_eq!(storage.visible_path(&name), memory.visible_path(&name));
}

fn refusals(storage: &mut LocalStorage, staged: &[Staged]) -> Vec<String> {
    let outcomes = [
        storage.put(Uuid::now_v7(), &two()).map(drop),
        storage.reveal(staged),
        storage.discard(staged),
        storage.staged().map(drop),
        storage.quarantine(staged, "why"),
    ];
    outcomes.into_iter().map(|outcome| outcome.unwrap_err().to_string()).collect()
}

/// A disk that went away leaves its mount point behind, an empty folder; nothing is begun there, nor in another lake.
#[test]
fn nothing_is_written_where_the_lake_is_not() {
    let place = Place::new();
    let mut storage = place.storage();
    let staged = storage.put(Uuid::now_v7(), &two()).unwrap();
    let (here, away) = (place.dir.path(), place.dir.path().with_extension("away"));
    fs::rename(here, &away).unwrap();
    assert!(refusals(&mut storage, &staged).iter().all(|text| text.contains("is not here any more")));
    fs::create_dir(here).unwrap();
    assert!(refusals(&mut storage, &staged).iter().all(|text| text.contains("is not here any more")));
    assert!(place.lake.storage("plant.a.1").unwrap_err().to_string().contains("is not here any more"));
    assert_eq!(fs::read_dir(here).unwrap().count(), 0);
    let options = OpenOptions { group: "plant".to_owned(), instance: Some("a".to_owned()) };
    drop(Lake::open(here, options).unwrap());
    assert!(refusals(&mut storage, &staged).iter().all(|text| text.contains("lies here now")));
    assert!(!here.join(STAGING).exists());
    fs::remove_dir_all(here).unwrap();
    fs::rename(&away, here).unwrap();
    storage.reveal(&staged).unwrap();
}
