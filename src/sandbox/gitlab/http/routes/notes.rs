//! Comments on merge requests and reactions to them.

use serde_json::{Value, json};

use crate::model::gitlab::{NoteId, UserId};
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{Discussion, Level, MergeRequestKey, NOTHING, NewNote, Note, Noted, Refused, Right, World};

/// The note of the path. Internal notes are for Reporters and above; for others they are not there.
fn find(ask: &Ask, world: &World) -> Result<(MergeRequestKey, NoteId), Refused> {
    ask.me()?;
    let key = ask.merge_request(world)?;
    let id = NoteId(ask.id("note")?);
    let (_, note) = world.merge_request(key).note(id).ok_or(NOTHING)?;
    if visible(ask, world, key, note) { Ok((key, id)) } else { Err(NOTHING) }
}

pub fn visible(ask: &Ask, world: &World, key: MergeRequestKey, note: &Note) -> bool {
    !note.internal || world.may(key.project, ask.user, Right::Is(Level::Reporter)) || ask.user == Some(note.author)
}

/// Whether somebody may change or remove a note: its author, or a Maintainer. Nobody edits a system note.
pub fn may_edit(world: &World, key: MergeRequestKey, note: &Note, user: UserId) -> bool {
    !note.system && (note.author == user || world.level(key.project, user) >= Level::Maintainer)
}

/// May comment here, or 403 for a locked discussion and one who is no member.
pub fn may_comment(world: &World, key: MergeRequestKey, user: UserId) -> Result<(), Refused> {
    world.demand(key.project, Some(user), Right::Comment)?;
    if world.merge_request(key).locked_discussion && world.level(key.project, user) < Level::Reporter {
        return Err(Refused::Forbidden(""));
    }
    Ok(())
}

/// The answer to a written note: the note, or 202 where quick actions were all of it.
pub fn noted(world: &World, key: MergeRequestKey, noted: Noted, reply: fn(Value) -> Reply) -> Answer {
    match noted {
        Noted::Stored(id) => {
            let (discussion, note) = world.merge_request(key).note(id).ok_or(NOTHING)?;
            Ok(reply(present::note(world, key, discussion, note)))
        }
        Noted::Commands(actions) => {
            let mut changes = json!({});
            for name in &actions {
                if matches!(name.as_str(), "close" | "reopen") {
                    changes["state_event"] = name.as_str().into();
                }
            }
            let summary: Vec<String> = actions.iter().map(|name| format!("Applied {name} command.")).collect();
            Ok(Reply::accepted(json!({"commands_changes": changes, "summary": summary})))
        }
    }
}

pub fn list(ask: &Ask, world: &mut World) -> Answer {
    ask.me()?;
    let key = ask.merge_request(world)?;
    let order = ask.choice("order_by", &["created_at", "updated_at"])?;
    let sort = ask.choice("sort", &["desc", "asc"])?;
    let filter = ask.choice("activity_filter", &["all_notes", "only_comments", "only_activity"])?;
    let held = world.merge_request(key);
    let mut found: Vec<(&Discussion, &Note)> = held
        .notes()
        .filter(|(_, note)| match filter {
            "only_comments" => !note.system,
            "only_activity" => note.system,
            _ => true,
        })
        .filter(|(_, note)| visible(ask, world, key, note))
        .collect();
    found.sort_by_key(|(_, note)| (if order == "updated_at" { note.updated_at } else { note.created_at }, note.id));
    if sort == "desc" {
        found.reverse();
    }
    ask.page(world, found.into_iter().map(|(discussion, note)| present::note(world, key, discussion, note)).collect())
}

pub fn create(ask: &Ask, world: &mut World) -> Answer {
    let body = ask.required("body")?;
    let me = ask.me()?;
    let key = ask.merge_request(world)?;
    may_comment(world, key, me)?;
    let internal = ask.flag("internal")?.or(ask.flag("confidential")?).unwrap_or(false);
    if internal && world.level(key.project, me) < Level::Reporter {
        return Err(Refused::Forbidden(""));
    }
    let new = NewNote { body, internal, ..NewNote::default() };
    let written = world.add_note(key, me, new)?;
    noted(world, key, written, Reply::created)
}

pub fn show(ask: &Ask, world: &mut World) -> Answer {
    let (key, id) = find(ask, world)?;
    noted(world, key, Noted::Stored(id), Reply::ok)
}

pub fn update(ask: &Ask, world: &mut World) -> Answer {
    let (key, id) = find(ask, world)?;
    let (_, note) = world.merge_request(key).note(id).ok_or(NOTHING)?;
    if !may_edit(world, key, note, ask.me()?) {
        return Err(Refused::Forbidden(""));
    }
    let Some(body) = ask.text("body") else { return Err(Refused::Parameters("body is missing".into())) };
    let written = world.edit_note(key, id, ask.me()?, &body)?;
    noted(world, key, written, Reply::ok)
}

pub fn delete(ask: &Ask, world: &mut World) -> Answer {
    let (key, id) = find(ask, world)?;
    let (_, note) = world.merge_request(key).note(id).ok_or(NOTHING)?;
    if !may_edit(world, key, note, ask.me()?) {
        return Err(Refused::Forbidden(""));
    }
    world.delete_note(key, id);
    Ok(Reply::deleted())
}

pub fn reactions(ask: &Ask, world: &mut World) -> Answer {
    let (key, id) = find(ask, world)?;
    let (_, note) = world.merge_request(key).note(id).ok_or(NOTHING)?;
    ask.page(world, note.emojis.iter().map(|emoji| present::award_emoji(world, note, emoji)).collect())
}

pub fn react(ask: &Ask, world: &mut World) -> Answer {
    let name = ask.required("name")?;
    let (key, id) = find(ask, world)?;
    may_comment(world, key, ask.me()?)?;
    let award = world.react(key, id, ask.me()?, &name)?;
    award_of(world, key, id, award).map(Reply::created)
}

pub fn reaction(ask: &Ask, world: &mut World) -> Answer {
    let (key, id) = find(ask, world)?;
    award_of(world, key, id, ask.id("award")?).map(Reply::ok)
}

fn award_of(world: &World, key: MergeRequestKey, id: NoteId, award: u64) -> Result<Value, Refused> {
    let (_, note) = world.merge_request(key).note(id).ok_or(NOTHING)?;
    let emoji = note.emojis.iter().find(|emoji| emoji.id == award).ok_or(NOTHING)?;
    Ok(present::award_emoji(world, note, emoji))
}

/// Only one's own reaction can be taken back.
pub fn unreact(ask: &Ask, world: &mut World) -> Answer {
    let (key, id) = find(ask, world)?;
    let (me, award) = (ask.me()?, ask.id("award")?);
    let note = world.merge_request_mut(key).note_mut(id).ok_or(NOTHING)?;
    match note.emojis.iter().find(|emoji| emoji.id == award) {
        None => Err(NOTHING),
        Some(emoji) if emoji.by != me => Err(Refused::Unauthorized),
        Some(_) => {
            note.emojis.retain(|emoji| emoji.id != award);
            Ok(Reply::deleted())
        }
    }
}
