//! The HTTP face: routes, tokens, refusals, pages. What happens is the state's business.

mod answer;
mod ask;
mod fault;
mod gate;
mod log;
mod routes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use tokio::sync::{mpsc, watch};

pub use fault::{Fault, FaultRule};
pub use log::{Log, Logged};

use self::answer::Answer;
use self::ask::Ask;
use super::courier::Parcel;
use super::state::World;

/// What the face, the courier and the tests share.
#[derive(Debug)]
pub struct Shared {
    world: Mutex<World>,
    /// Which thread holds the world.
    holder: Mutex<Option<ThreadId>>,
    pub faults: Mutex<Vec<FaultRule>>,
    pub log: Log,
    pub unknown_routes: Mutex<Vec<String>>,
    pub courier: mpsc::UnboundedSender<Parcel>,
    /// How many deliveries are on their way.
    pub under_way: watch::Sender<usize>,
}

impl Shared {
    pub fn new(world: World, log: Log, courier: mpsc::UnboundedSender<Parcel>) -> Self {
        Self {
            world: Mutex::new(world),
            holder: Mutex::default(),
            faults: Mutex::default(),
            log,
            unknown_routes: Mutex::default(),
            courier,
            under_way: watch::Sender::new(0),
        }
    }

    /// The world, locked; when it is let go, its outbox goes to the courier.
    ///
    /// # Panics
    /// This thread holds it already, as when a test keeps the guard while it waits: it would wait for itself for ever.
    pub fn world(&self) -> WorldGuard<'_> {
        let me = std::thread::current().id();
        assert!(
            *held(&self.holder) != Some(me),
            "this thread holds the world already: let go of the guard before the next one or an await"
        );
        let world = held(&self.world);
        *held(&self.holder) = Some(me);
        WorldGuard { world, shared: self }
    }

    /// Hands one delivery to the courier.
    pub fn send(&self, parcel: Parcel) {
        self.under_way.send_modify(|count| *count += 1);
        if self.courier.send(parcel).is_err() {
            self.under_way.send_modify(|count| *count -= 1);
        }
    }
}

/// A lock whose holder may have panicked: a test that failed must not take the others' answers with it.
pub fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The locked world. Deliveries leave after it is let go: a receiver that calls back never meets the lock.
#[derive(Debug)]
pub struct WorldGuard<'a> {
    world: MutexGuard<'a, World>,
    shared: &'a Shared,
}

impl std::ops::Deref for WorldGuard<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl std::ops::DerefMut for WorldGuard<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Drop for WorldGuard<'_> {
    fn drop(&mut self) {
        *held(&self.shared.holder) = None;
        for outgoing in std::mem::take(&mut self.world.outbox) {
            self.shared.send(Parcel { outgoing, done: None });
        }
    }
}

/// One operation: the request in, an answer out, with the world locked in between.
type Operation = fn(&Ask, &mut World) -> Answer;

/// Makes a handler of an operation.
fn on(operation: Operation) -> impl Fn(State<Arc<Shared>>, Ask) -> std::future::Ready<Response> + Clone + Send + Sync + 'static {
    move |State(shared), ask| {
        let answer = operation(&ask, &mut shared.world());
        std::future::ready(answer::response(answer))
    }
}

/// Every route, behind the gate that keeps the log, makes the faults and reads the token.
pub fn router(shared: Arc<Shared>) -> Router {
    let api = routes::all();
    Router::new()
        .nest("/api/v4", api)
        .nest("/api", routes::graphql())
        .fallback(gate::unknown_route)
        .method_not_allowed_fallback(gate::unknown_route)
        .layer(axum::middleware::from_fn_with_state(shared.clone(), gate::pass))
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
        .with_state(shared)
}
