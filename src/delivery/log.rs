//! One event, one line: text for people, JSON for machines.

use std::io::{self, Write};

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// Starts logging to standard error. Fails if something else in this process has started logging before.
///
/// Only our own events follow `level`; libraries stay at warnings, because their debug events may hold headers and bodies (SR-23).
pub fn init(format: Format, level: Level) -> Result<(), TryInitError> {
    let filter = EnvFilter::new(format!("warn,countersign={}", level.as_str().to_lowercase()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(OneLine(io::stderr));
    match format {
        Format::Text => builder.finish().try_init(),
        Format::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).finish().try_init(),
    }
}

/// Escapes what would end or rewrite a line on its way out, whoever logged it: outside text must not forge an event, nor move a
/// terminal's cursor.
#[derive(Debug, Clone, Copy)]
struct OneLine<M>(M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLine<M> {
    type Writer = OneLineWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLineWriter(self.0.make_writer())
    }
}

/// Takes one whole event at a time, as `tracing_subscriber::fmt` writes them.
struct OneLineWriter<W>(W);

impl<W: Write> Write for OneLineWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.write_all(event)?;
        Ok(event.len())
    }

    fn write_all(&mut self, event: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(event);
        let body = text.strip_suffix('\n').unwrap_or(&text);
        let odd = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let mut line = String::with_capacity(body.len() + 1);
        for c in body.chars() {
            // In JSON too this is the escape of that character.
            if odd(c) { line.push_str(&format!("\\u{:04x}", u32::from(c))) } else { line.push(c) }
        }
        line.push('\n');
        self.0.write_all(line.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<u8>>>);

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool) -> String {
        let seen = Seen::default();
        let writer = seen.clone();
        let builder = tracing_subscriber::fmt().with_ansi(false).with_writer(OneLine(move || writer.clone()));
        let evil = "v1\nINFO forged\r\u{1b}[2J\u{2028}\u{202e}x";
        let log = || tracing::info!(tag = %evil, "seen {evil}");
        if json {
            tracing::subscriber::with_default(builder.json().finish(), log);
        } else {
            tracing::subscriber::with_default(builder.finish(), log);
        }
        String::from_utf8(seen.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn outside_text_cannot_begin_a_line_or_move_the_cursor() {
        for json in [false, true] {
            let text = logged(json);
            assert_eq!(text.matches('\n').count(), 1, "{text:?}");
            assert!(!text.trim_end_matches('\n').contains(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{202e}'), "{text:?}");
            assert!(text.contains("forged"), "it is escaped, not dropped: {text:?}");
        }
        let _: serde_json::Value = serde_json::from_str(&logged(true)).unwrap();
    }
}
