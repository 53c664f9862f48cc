//! Interrupts: the first asks the work to stop, the second ends the process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use build::engine::Cancel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Exit;

/// What does not stop within this time waits for somebody else, most likely a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A live view has its last words on the screen after this time.
const SHOWN: Duration = Duration::from_millis(200);

/// From now on, the first signal cancels and the second ends the process at once; the spawner then cleans up.
///
/// This starts a thread: the spawner must have been forked before.
pub fn watch(cancel: Cancel, note: impl Fn(&str) + Send + 'static) {
    listen(cancel, note, None);
}

/// The same for work that has nothing to lose: if it does not stop soon after the first signal, it is ended as by a second.
pub fn watch_impatiently(cancel: Cancel, note: impl Fn(&str) + Send + 'static) {
    listen(cancel, note, Some(PATIENCE));
}

fn listen(cancel: Cancel, note: impl Fn(&str) + Send + 'static, patience: Option<Duration>) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    let note = Arc::new(Mutex::new(note));
    let say = move |text: &str| note.lock().unwrap_or_else(PoisonError::into_inner)(text);
    let body = move || {
        for (count, signal) in signals.forever().enumerate() {
            if count > 0 {
                end();
            }
            if let Some(patience) = patience {
                let say = say.clone();
                let late = move || {
                    std::thread::sleep(patience);
                    say("stopped, without waiting for what does not answer");
                    std::thread::sleep(SHOWN);
                    end();
                };
                // Without the thread, there is still the second signal.
                let _ = std::thread::Builder::new().name("patience".into()).spawn(late);
            }
            if signal == SIGINT {
                say("stopping; press Ctrl-C again to stop at once");
            }
            cancel.cancel();
        }
    };
    // Without the thread, signals have no effect but the one that the kernel gives them.
    let _ = std::thread::Builder::new().name("signals".into()).spawn(body);
}

fn end() -> ! {
    std::process::exit(Exit::Interrupted.code().into())
}
