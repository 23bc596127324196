//! The connections. `axum::serve` bounds neither the time of a head nor a connection's buffer, and strangers may open any number.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The largest head, and how much of a body is read ahead. Part of what a stranger costs.
pub(super) const BUFFER: usize = 16 * 1024;
/// How long a head may take, and how long a connection may idle between two.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Connections at once: with 64 KiB each, as long as they are strangers', 64 MiB.
const CONNECTIONS: usize = 1_024;
/// How long requests may go on after the order to stop: the whole time of a delivery, and a little. A verdict over the API that takes
/// longer is cut: its caller heard nothing, and may ask again.
const GRACE: Duration = Duration::from_secs(11);
/// Pause after a failed accept, such as one for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until told to stop; then takes no new connection, and returns when the open requests are answered.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let connection = connection(stream, router.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!("connections were cut at the end of their grace");
    }
}

/// A connection and its place. While none is free, new ones wait in the system's own short line.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // An answer is one small packet; it must not wait for another.
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

/// Serves one connection to its end.
pub(super) async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    // Errors are the sender's: a broken protocol, a closed connection. They are no event of ours.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
