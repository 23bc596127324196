//! `countersign serve` as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::world::{Setup, World, until};

/// A running `countersign serve`; killed when dropped.
pub struct Process {
    child: Child,
    pub address: String,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// On the configuration and the store of a world whose own bot is down.
    pub async fn start(world: &World) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["serve", "--config"]).arg(world.bot_toml()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (log, lines) = (Arc::new(Mutex::new(String::new())), BufReader::new(child.stderr.take().unwrap()).lines());
        let kept = log.clone();
        let reader = std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| *kept.lock().unwrap() += &(line + "\n")));
        let address = until("countersign listens", || {
            let log = log.lock().unwrap();
            let (_, rest) = log.split_once("countersign listens address=")?;
            Some(format!("http://{}", rest.split_whitespace().next()?))
        })
        .await;
        Self { child, address, log, reader: Some(reader) }
    }

    /// A world whose bot is a process.
    pub async fn in_world(setup: Setup) -> (World, Self) {
        let mut world = setup.start().await;
        world.down().await;
        let process = Self::start(&world).await;
        world.hook_to(&process.address);
        (world, process)
    }

    /// SIGKILL, at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn tell_to_stop(&self) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
    }

    /// Waits for its end; the answer is how it ended, and its log.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let child = Mutex::new(&mut self.child);
        let status = until("countersign ends", || child.lock().unwrap().try_wait().unwrap()).await;
        self.reader.take().unwrap().join().unwrap();
        (status, self.log.lock().unwrap().clone())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already, unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
