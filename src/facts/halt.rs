//! The operator's halt switch: a file that stops every promotion while it is there.

use std::path::PathBuf;

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
    /// nothing.
    pub async fn halted(&self) -> Looked<Halt> {
        let Some(path) = &self.halt_file else { return Looked::Absent };
        let unreadable = |fault: std::io::Error| {
            Looked::Unreachable(Why::new(Service::Store, WhyKind::Unreadable, format!("the halt switch cannot be read: {}", fault.kind())))
        };
        let file = match tokio::fs::File::open(path).await {
            Ok(file) => file,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Looked::Absent,
            Err(fault) => return unreadable(fault),
        };
        let mut bytes = vec![];
        match file.take(REASON_MAX).read_to_end(&mut bytes).await {
            Ok(_) => Looked::Found(Halt { reason: String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().into() }),
            Err(fault) => unreadable(fault),
        }
    }
}
