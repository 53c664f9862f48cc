//! Runs a command in a sandbox with the user's terminal or streams, and passes its exit code on.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use build::engine::Cancel;
use build::sandbox::{Handle, Outcome, SandboxSpec, Spawner, Stdio};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use signal_hook::consts::SIGWINCH;
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::signals;

/// Runs the command to its end. With `spec.terminal` it has a terminal of its own, tied to the user's; otherwise pipes,
/// so that it never holds a descriptor of the user's terminal. `interactive` passes standard input on.
pub fn run(program: &Program, spec: &SandboxSpec, interactive: bool) -> Result<Exit, Failure> {
    let spawner = program.spawner()?;
    let ran = if spec.terminal {
        with_terminal(program, spawner, spec)
    } else {
        with_pipes(program, spawner, spec, interactive)
    };
    match ran {
        Ok(outcome) => Ok(ended(program, &outcome)),
        Err(Failure::Sandbox(error)) if error.exit_code().is_some() => {
            // The command could not be started: docker and shells answer 126 or 127 for that.
            let code = error.exit_code().and_then(|code| u8::try_from(code).ok()).unwrap_or(127);
            program.terminal.say(&Failure::from(error).render(program.terminal.colour));
            Ok(Exit::Program(code))
        }
        Err(other) => Err(other),
    }
}

fn ended(program: &Program, outcome: &Outcome) -> Exit {
    for note in &outcome.notes {
        program.warn(note);
    }
    if outcome.oom_kills > 0 {
        program.warn("the command ran out of memory; raise the limit with `--memory`");
    }
    if outcome.killed {
        return Exit::Interrupted;
    }
    Exit::Program(u8::try_from(outcome.status.code()).unwrap_or(u8::MAX))
}

fn with_pipes(
    program: &Program,
    spawner: &Spawner,
    spec: &SandboxSpec,
    interactive: bool,
) -> Result<Outcome, Failure> {
    let (stdin, typed) = match interactive {
        true => pipe().map(|(read, write)| (read, Some(write)))?,
        false => (OwnedFd::from(File::open("/dev/null").map_err(Failure::file("open", "/dev/null"))?), None),
    };
    let ((printed, stdout), (complained, stderr)) = (pipe()?, pipe()?);
    let handle = Arc::new(spawner.start_run(spec, Stdio { stdin, stdout, stderr })?);
    kill_on_signal(program, &handle);
    if let Some(typed) = typed {
        // Not joined: it may wait for input for ever, and ends with the process.
        std::thread::spawn(move || copy(&mut std::io::stdin().lock(), &mut File::from(typed)));
    }
    std::thread::scope(|scope| {
        scope.spawn(|| copy(&mut File::from(printed), &mut std::io::stdout()));
        scope.spawn(|| copy(&mut File::from(complained), &mut std::io::stderr()));
        Ok(handle.wait()?)
    })
}

fn with_terminal(program: &Program, spawner: &Spawner, spec: &SandboxSpec) -> Result<Outcome, Failure> {
    let null = || File::open("/dev/null").map(OwnedFd::from).map_err(Failure::file("open", "/dev/null"));
    let stdio = Stdio { stdin: null()?, stdout: null()?, stderr: null()? };
    let handle = Arc::new(spawner.start_run(spec, stdio)?);
    // In raw mode Ctrl-C is a byte for the command; other signals still end it, and the terminal is put back.
    kill_on_signal(program, &handle);
    let terminal = handle.terminal().map(|terminal| terminal.try_clone_to_owned());
    let terminal = match terminal {
        Some(Ok(terminal)) => File::from(terminal),
        _ => return Ok(handle.wait()?),
    };
    let resized = follow_size(&terminal);
    let raw = Raw::enter();
    let (mut typing, mut printing) = (clone(&terminal)?, terminal);
    std::thread::spawn(move || copy(&mut std::io::stdin().lock(), &mut typing));
    // Ends when the command's side is closed by its last process.
    copy(&mut printing, &mut std::io::stdout());
    let outcome = handle.wait();
    drop(raw);
    if let Some(resized) = resized {
        resized.close();
    }
    Ok(outcome?)
}

/// The first signal kills the command; the second ends this process.
fn kill_on_signal(program: &Program, handle: &Arc<Handle>) {
    let cancel = Cancel::default();
    let handle = Arc::clone(handle);
    cancel.on_cancel(move || handle.kill());
    let terminal = program.terminal;
    signals::watch(cancel, move |note| terminal.say(&format!("{note}\n")));
}

/// Gives the command's terminal the size of the user's, now and whenever it changes.
fn follow_size(terminal: &File) -> Option<signal_hook::iterator::Handle> {
    let resize = |terminal: &File| {
        if let Ok(size) = tcgetwinsize(rustix::stdio::stdin()) {
            // A terminal that cannot be resized is used as it is.
            let _ = tcsetwinsize(terminal, size);
        }
    };
    resize(terminal);
    let mut signals = Signals::new([SIGWINCH]).ok()?;
    let (handle, terminal) = (signals.handle(), terminal.try_clone().ok()?);
    std::thread::spawn(move || signals.forever().for_each(|_| resize(&terminal)));
    Some(handle)
}

/// The user's terminal in raw mode; put back when dropped.
struct Raw(Option<Termios>);

impl Raw {
    fn enter() -> Raw {
        let stdin = rustix::stdio::stdin();
        let Ok(before) = tcgetattr(stdin) else { return Raw(None) };
        let mut raw = before.clone();
        raw.make_raw();
        let entered = tcsetattr(stdin, OptionalActions::Now, &raw).is_ok();
        Raw(entered.then_some(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // Nothing more can be done for a terminal that is gone.
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Copies until either side ends. Unlike `io::copy` it passes on what is there at once.
fn copy(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = [0; 16 << 10];
    loop {
        match from.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // A terminal whose other side is closed answers EIO: that is its end.
            Ok(0) | Err(_) => return,
            Ok(count) => {
                if to.write_all(&buffer[..count]).and_then(|()| to.flush()).is_err() {
                    return;
                }
            }
        }
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|errno| Failure::file("make", "a pipe")(errno.into()))
}

fn clone(terminal: &File) -> Result<File, Failure> {
    let clone = terminal.as_fd().try_clone_to_owned().map_err(Failure::file("use", "the terminal"))?;
    Ok(File::from(clone))
}
