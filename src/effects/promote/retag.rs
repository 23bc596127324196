//! `retag`: the environment's tag names the image.

use super::registry::Side;
use crate::effects::NotDone;
use crate::model::promotion::Left;
use crate::model::{Digest, image::is_tag};

/// Lets the tag name the manifest with this digest, byte for byte, and reads it back.
///
/// `before` is what the tag named when it was looked at last: after a crash between the write and its record that is the image itself.
/// A registry has no compare-and-set for tags, so whoever writes between the look and the write is overwritten, and named by `before`
/// only if the look saw it.
pub(super) async fn retag(side: Side<'_>, digest: Digest, tag: &str) -> Result<Left, NotDone> {
    if !is_tag(tag) {
        return Err(NotDone::Never(format!("`{tag}` is not a tag")));
    }
    let before = side.tagged(tag).await?;
    if before != Some(digest) {
        let manifest = side.held(digest).await?;
        side.move_tag(&manifest, tag).await?;
    }
    Ok(Left::Tagged { before })
}
