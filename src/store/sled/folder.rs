//! The store's folder: whose it is, and that what was written is on the disk.
//!
//! Sled opens a folder of another version of itself, or one whose data file was lost, as an empty database without an error, and
//! it silently drops everything behind a damaged byte of its newest segment, as if a crash had cut it off. An emptied or shortened
//! ledger would then look like a clean one. So the folder carries a marker, marker and database carry one id, and a counter of
//! commits is kept both in the database and beside it: a database behind the counter has lost what was acknowledged.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::{CACHE, SEGMENT, StoreError, failed};

const MARKER: &str = "COUNTERSIGN-STORE";
/// First line of the marker. It changes with sled's on-disk format and with ours.
const FORMAT: &str = "countersign store, format 1, sled 0.34";
/// Sled's own data file.
const DATA: &str = "db";
const ID_KEY: &str = "store-id";
/// The counter beside the database: 20 digits, overwritten in place, so that a crash leaves the old or the new number.
const COMMITS: &str = "commits";
const COMMITS_KEY: &str = "commits";

/// What the marker says.
struct Marker {
    /// The database was opened before; it must hold the id.
    used: bool,
    id: String,
}

/// A database that survives a power loss when told to.
pub(super) struct Durable {
    pub(super) db: sled::Db,
    data: File,
    counter: File,
    commits: u64,
}

/// Opens the database of this folder.
pub(super) fn open(path: &Path) -> Result<Durable, StoreError> {
    let io = |what: &str, error: std::io::Error| StoreError(format!("cannot {what} in {}: {error}", path.display()));
    create(path).map_err(|e| io("make a folder", e))?;
    let marker = match read_marker(path)? {
        Some(marker) => marker,
        None => {
            check_empty(path)?;
            let marker = Marker { used: false, id: uuid::Uuid::now_v7().to_string() };
            write_marker(path, &marker).map_err(|e| io("write the marker", e))?;
            marker
        }
    };
    let db = sled::Config::new().path(path).segment_size(SEGMENT).cache_capacity(CACHE).open().map_err(failed)?;
    let lost = || {
        StoreError(format!(
            "the database in {} has lost data that was there before; restore the folder from a backup, or move it away to start afresh",
            path.display()
        ))
    };
    match db.get(ID_KEY).map_err(failed)? {
        Some(id) if *id == *marker.id.as_bytes() => {}
        None if !marker.used => {
            db.insert(ID_KEY, marker.id.as_bytes()).map_err(failed)?;
        }
        Some(_) | None => return Err(lost()),
    }
    let open = |name: &str, create| File::options().read(true).write(true).create(create).truncate(false).open(path.join(name));
    let mut counter = open(COMMITS, !marker.used).map_err(|e| io("open the commit counter", e))?;
    let mut beside = String::new();
    counter.read_to_string(&mut beside).map_err(|e| io("read the commit counter", e))?;
    let beside = if beside.is_empty() && !marker.used { 0 } else { beside.trim().parse::<u64>().map_err(|_| lost())? };
    let inside = match db.get(COMMITS_KEY).map_err(failed)? {
        Some(count) => u64::from_be_bytes(count.as_ref().try_into().map_err(|_| lost())?),
        None => 0,
    };
    if inside < beside {
        return Err(lost());
    }
    let data = open(DATA, false).map_err(|e| io("open the data file", e))?;
    let mut durable = Durable { db, data, counter, commits: inside };
    durable.commit(true)?;
    let sync = || -> std::io::Result<()> {
        File::open(path.join("conf"))?.sync_all()?;
        File::open(path.join("blobs"))?.sync_all()?;
        write_marker(path, &Marker { used: true, id: marker.id.clone() })
    };
    sync().map_err(|e| io("sync", e))?;
    Ok(durable)
}

impl Durable {
    /// Returns when everything written so far is on the disk. Sled's own flush only starts the writing out (`sync_file_range`).
    ///
    /// With `record`, the counter beside the database is on the disk too, so that even a power loss and damage together cannot hide
    /// that the log is shorter; without it, the operating system writes it when it likes.
    pub(super) fn commit(&mut self, record: bool) -> Result<(), StoreError> {
        let next = self.commits + 1;
        self.db.insert(COMMITS_KEY, &next.to_be_bytes()).map_err(failed)?;
        self.db.flush().map_err(failed)?;
        let io = |error: std::io::Error| StoreError(format!("cannot sync: {error}"));
        self.data.sync_all().map_err(io)?;
        self.commits = next;
        // Only now: a counter ahead of the database would call a crash a loss.
        self.counter.seek(SeekFrom::Start(0)).map_err(io)?;
        self.counter.write_all(format!("{next:020}").as_bytes()).map_err(io)?;
        if record { self.counter.sync_all().map_err(io) } else { Ok(()) }
    }
}

fn create(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn read_marker(path: &Path) -> Result<Option<Marker>, StoreError> {
    let text = match fs::read_to_string(path.join(MARKER)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError(format!("cannot read {MARKER} in {}: {error}", path.display()))),
    };
    let mut lines = text.lines();
    let marker = (lines.next() == Some(FORMAT)).then(|| lines.next()).flatten().and_then(|line| match line.split_once(' ')? {
        ("new", id) => Some(Marker { used: false, id: id.into() }),
        ("used", id) => Some(Marker { used: true, id: id.into() }),
        _ => None,
    });
    match marker {
        Some(marker) => Ok(Some(marker)),
        None => Err(StoreError(format!(
            "{} holds a store of another format than \"{FORMAT}\"; open it with the version of countersign that wrote it",
            path.display()
        ))),
    }
}

/// A folder with strange files is not taken over: `lost+found` is what a fresh file system brings.
fn check_empty(path: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(path).map_err(|e| StoreError(format!("cannot read {}: {e}", path.display())))?;
    for entry in entries {
        let name = entry.map_err(|e| StoreError(format!("cannot read {}: {e}", path.display())))?.file_name();
        let name = name.to_string_lossy();
        if name != "lost+found" && !name.starts_with(MARKER) {
            return Err(StoreError(format!(
                "{} is not empty and holds no {MARKER} file, so it is no store of countersign; choose another folder",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Replaces the marker so that a crash leaves the old or the new one.
fn write_marker(path: &Path, marker: &Marker) -> std::io::Result<()> {
    let fresh = path.join(format!("{MARKER}.new"));
    let mut file = File::create(&fresh)?;
    writeln!(file, "{FORMAT}\n{} {}", if marker.used { "used" } else { "new" }, marker.id)?;
    file.sync_all()?;
    fs::rename(&fresh, path.join(MARKER))?;
    File::open(path)?.sync_all()
}
