//! Releases.

use super::{Trigger, World};
use crate::model::Timestamp;
use crate::model::gitlab::{ProjectId, UserId};
use crate::sandbox::gitlab::payload;

/// A release of a tag.
#[derive(Debug, Clone)]
pub struct Release {
    pub id: u64,
    pub tag: String,
    pub name: String,
    pub description: String,
    pub author: UserId,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub released_at: Timestamp,
}

impl World {
    /// A release of a tag that is there.
    pub fn create_release(&mut self, project: ProjectId, tag: &str, by: UserId, description: &str) {
        assert!(self.project(project).tags.contains_key(tag), "a release needs its tag {tag}");
        let (id, now) = (self.next_id(), self.now());
        let release = Release {
            id,
            tag: tag.into(),
            name: tag.into(),
            description: description.into(),
            author: by,
            created_at: now,
            updated_at: now,
            released_at: now,
        };
        self.project_mut(project).releases.insert(tag.into(), release);
        self.release_event(project, tag, "create");
    }

    /// Changes name or description; `None` leaves it as it is.
    pub fn update_release(&mut self, project: ProjectId, tag: &str, name: Option<&str>, description: Option<&str>) {
        let now = self.now();
        if let Some(release) = self.project_mut(project).releases.get_mut(tag) {
            release.updated_at = now;
            release.name = name.unwrap_or(&release.name).into();
            release.description = description.unwrap_or(&release.description).into();
            self.release_event(project, tag, "update");
        }
    }

    pub fn delete_release(&mut self, project: ProjectId, tag: &str) {
        self.release_event(project, tag, "delete");
        self.project_mut(project).releases.remove(tag);
    }

    fn release_event(&mut self, project: ProjectId, tag: &str, action: &str) {
        if let Some(body) = payload::release(self, project, tag, action) {
            self.emit(project, Trigger::Release, &body);
        }
    }
}
