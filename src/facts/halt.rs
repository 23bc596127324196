//! The operator's halt switch: a file that stops every promotion while it is there.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt as _;

use super::Looks;
use crate::verdict::promotion::Halt;
use crate::verdict::{Looked, Service, Why, WhyKind};

/// Bytes of it that are read: its first line is said to people as the reason.
const REASON_MAX: u64 = 1024;

impl Looks {
    /// With a halt switch at this place.
    pub fn with_halt_file(self, halt_file: Option<PathBuf>) -> Self {
        Self { halt_file, ..self }
    }

    /// `Absent`: nothing is halted. A file that is there and cannot be read halts as well, and an answer that is neither decides
    /// nothing: a folder that is not there, as of a volume that is not mounted, is no word that nothing is halted.
    pub async fn halted(&self) -> Looked<Halt> {
        let Some(path) = &self.halt_file else { return Looked::Absent };
        let unreadable = |fault: std::io::Error| {
            Looked::Unreachable(Why::new(Service::Store, WhyKind::Unreadable, format!("the halt switch cannot be read: {}", fault.kind())))
        };
        let nowhere = || {
            let says = "the halt switch cannot be read: its folder is gone, or it points to nothing";
            Looked::Unreachable(Why::new(Service::Store, WhyKind::Unreadable, says))
        };
        let file = match tokio::fs::File::open(path).await {
            Ok(file) => file,
            Err(fault) if fault.kind() == ErrorKind::NotFound => return if is_absent(path).await { Looked::Absent } else { nowhere() },
            Err(fault) => return unreadable(fault),
        };
        let mut bytes = vec![];
        match file.take(REASON_MAX).read_to_end(&mut bytes).await {
            Ok(_) => Looked::Found(Halt { reason: String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().into() }),
            Err(fault) => unreadable(fault),
        }
    }
}

/// Whether the file is plainly not there: neither a link to nothing, nor in a folder that is not there itself.
async fn is_absent(path: &Path) -> bool {
    let linked = tokio::fs::symlink_metadata(path).await;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let in_folder = tokio::fs::metadata(folder).await.is_ok_and(|folder| folder.is_dir());
    in_folder && linked.is_err_and(|fault| fault.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::facts::registry::Registry;
    use crate::facts::trust_root::Roots;

    async fn halted(path: PathBuf) -> Looked<Halt> {
        let registry = Registry::new(vec![]).unwrap();
        Looks::new(BTreeMap::new(), registry, Roots::default()).with_halt_file(Some(path)).halted().await
    }

    #[tokio::test]
    async fn only_a_file_that_is_plainly_not_there_halts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(halted(at("halt")).await, Looked::Absent);
        std::fs::write(at("halt"), "Moving.\nMore.").unwrap();
        assert_eq!(halted(at("halt")).await, Looked::Found(Halt { reason: "Moving.".into() }));
        // A volume that is not mounted, a file where the folder should be, a link to nothing, a folder.
        std::os::unix::fs::symlink(at("nothing"), at("link")).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        for path in ["gone/halt", "halt/halt", "link", "folder"] {
            assert!(halted(at(path)).await.unreachable().is_some(), "{path}");
        }
    }
}
