//! The store's folder: whose it is, and that what was written is on the disk.
//!
//! Sled opens a folder of another version of itself, or one whose data file was lost, as an empty database without an error. An
//! empty ledger would then look like a clean one, so the folder carries a marker, and the marker and the database one id.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::{CACHE, SEGMENT, StoreError, failed};

const MARKER: &str = "COUNTERSIGN-STORE";
/// First line of the marker. It changes with sled's on-disk format and with ours.
const FORMAT: &str = "countersign store, format 1, sled 0.34";
/// Sled's own data file.
const DATA: &str = "db";
const ID_KEY: &str = "store-id";

/// What the marker says.
struct Marker {
    /// The database was opened before; it must hold the id.
    used: bool,
    id: String,
}

/// Opens the database of this folder, and its data file for syncing.
pub(super) fn open(path: &Path) -> Result<(sled::Db, File), StoreError> {
    let io = |what: &str, error: std::io::Error| StoreError(format!("{what} {}: {error}", path.display()));
    create(path).map_err(|e| io("cannot create the folder", e))?;
    let marker = match read_marker(path)? {
        Some(marker) => marker,
        None => {
            check_empty(path)?;
            let marker = Marker { used: false, id: uuid::Uuid::now_v7().to_string() };
            write_marker(path, &marker).map_err(|e| io("cannot write the marker in", e))?;
            marker
        }
    };
    let db = sled::Config::new().path(path).segment_size(SEGMENT).cache_capacity(CACHE).open().map_err(failed)?;
    // For writing, because some systems sync no file opened only for reading.
    let data = File::options().read(true).write(true).open(path.join(DATA)).map_err(|e| io("cannot open the data file in", e))?;
    match db.get(ID_KEY).map_err(failed)? {
        Some(id) if *id == *marker.id.as_bytes() => {}
        None if !marker.used => {
            db.insert(ID_KEY, marker.id.as_bytes()).map_err(failed)?;
        }
        Some(_) | None => {
            return Err(StoreError(format!(
                "the database in {} is not the one that was there before, or has lost its data; restore the folder from a backup, or move it away to start afresh",
                path.display()
            )));
        }
    }
    db.flush().map_err(failed)?;
    let sync = || -> std::io::Result<()> {
        data.sync_all()?;
        File::open(path.join("conf"))?.sync_all()?;
        File::open(path.join("blobs"))?.sync_all()?;
        write_marker(path, &Marker { used: true, id: marker.id.clone() })
    };
    sync().map_err(|e| io("cannot sync", e))?;
    Ok((db, data))
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
