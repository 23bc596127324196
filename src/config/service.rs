//! `[server]`, `[store]`, `[log]` and `[catch_up]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

use super::document::Node;
use super::keys::{catch_up, log, root, server, store};
use super::reader::{Layers, Reader};
use super::{CatchUp, Log, LogFormat, forms};
use crate::store::Settings as Store;

/// The layer of one table, which may be absent as a whole.
fn table<'a>(document: &Node<'a>, key: &super::table::Key) -> Layers<'a> {
    Layers(document.get(key).into_iter().collect())
}

/// Where to listen, and under which address we are known.
pub fn server(reader: &Reader<'_>, document: &Node<'_>) -> Option<(SocketAddr, Url)> {
    let layers = table(document, &root::SERVER);
    let listen: Option<SocketAddr> = layers.parsed(&server::LISTEN, |text| text.parse().ok());
    if layers.get(&server::PUBLIC_URL).is_some() {
        return Some((listen?, layers.parsed(&server::PUBLIC_URL, |text| text.parse().ok())?));
    }
    let listen = listen?;
    if let Some(place) = layers.get(&server::LISTEN).map(|node| node.place)
        && !listen.ip().is_loopback()
    {
        // Links and hook addresses made of it would lead nowhere.
        reader.sink.add(&place, "is not a loopback address, so `public_url` must say at which address people and GitLab reach the bot");
        return None;
    }
    Some((listen, format!("http://{listen}").parse().ok()?))
}

pub fn store(reader: &Reader<'_>, document: &Node<'_>) -> Option<Store> {
    let path = table(document, &root::STORE).text(&store::PATH)?;
    Some(Store::Sled { path: reader.base.join(path) })
}

/// The folder in which fetched trust roots are kept: beside the store.
pub fn caches(reader: &Reader<'_>, store: Option<&Store>) -> PathBuf {
    match store {
        Some(Store::Sled { path }) => path.with_file_name("trust-roots"),
        None => reader.base.join("trust-roots"),
    }
}

pub fn log(document: &Node<'_>) -> Option<Log> {
    let layers = table(document, &root::LOG);
    let format = layers.parsed(&log::FORMAT, |text| match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    Some(Log { format: format?, level: layers.parsed(&log::LEVEL, |text| text.parse().ok())? })
}

pub fn catch_up(document: &Node<'_>) -> Option<CatchUp> {
    let layers = table(document, &root::CATCH_UP);
    let (every, recheck) = (layers.parsed(&catch_up::EVERY, forms::duration), layers.parsed(&catch_up::RECHECK, forms::duration));
    Some(CatchUp { every: every?, recheck: recheck? })
}
