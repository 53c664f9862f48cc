//! Programs that run other programs: `sudo`, `env`, `xargs`, `sh -c` and their like are looked through.

use super::value::Value;
use super::{Invocation, ShellOptions};

/// What stands within a command.
pub(super) enum Inner {
    /// Nothing: it is itself what runs.
    None,
    /// Another command.
    Command { words: Vec<Value>, assignments: Vec<(String, Value)> },
    /// A script for a shell with these options.
    Script(Value, ShellOptions),
    /// Another command besides itself.
    Also(Vec<Value>),
}

/// How the options of such a program are read.
struct Prefix {
    name: &'static str,
    /// Options that take a value as the next word.
    valued: &'static [&'static str],
    /// Words of its own before the command.
    operands: usize,
    /// `NAME=value` may stand before the command.
    assigns: bool,
}

const fn prefix(
    name: &'static str,
    valued: &'static [&'static str],
    operands: usize,
    assigns: bool,
) -> Prefix {
    Prefix { name, valued, operands, assigns }
}

const PREFIXES: &[Prefix] = &[
    prefix(
        "sudo",
        &[
            "-u", "--user", "-g", "--group", "-h", "--host", "-p", "--prompt", "-C", "-r", "-t", "-U", "-D",
            "-T", "-R",
        ],
        0,
        true,
    ),
    prefix("doas", &["-u", "-C"], 0, false),
    prefix("env", &["-u", "--unset", "-C", "--chdir", "-S", "--split-string"], 0, true),
    prefix("exec", &["-a"], 0, false),
    prefix("command", &[], 0, false),
    prefix("builtin", &[], 0, false),
    prefix("nice", &["-n", "--adjustment"], 0, false),
    prefix("ionice", &["-c", "--class", "-n", "--classdata"], 0, false),
    prefix("nohup", &[], 0, false),
    prefix("setsid", &[], 0, false),
    prefix("stdbuf", &["-i", "-o", "-e"], 0, false),
    prefix("time", &["-f", "--format", "-o", "--output"], 0, false),
    prefix("timeout", &["-s", "--signal", "-k", "--kill-after"], 1, false),
    prefix(
        "xargs",
        &[
            "-n",
            "--max-args",
            "-P",
            "--max-procs",
            "-I",
            "-L",
            "--max-lines",
            "-d",
            "--delimiter",
            "-E",
            "-s",
            "-a",
            "--arg-file",
        ],
        0,
        false,
    ),
    prefix("gosu", &[], 1, false),
    prefix("su-exec", &[], 1, false),
    prefix("setpriv", &["--reuid", "--regid", "--groups"], 0, false),
    prefix("busybox", &[], 0, false),
    prefix("chronic", &[], 0, false),
    prefix("unshare", &[], 0, false),
    prefix("linux32", &[], 0, false),
    prefix("setarch", &[], 1, false),
    prefix("catatonit", &[], 0, false),
    prefix("tini", &[], 0, false),
    prefix("dumb-init", &[], 0, false),
    prefix("chroot", &["--userspec", "--groups"], 1, false),
    prefix("faketime", &["-f"], 1, false),
    prefix("fakeroot", &["-l", "-i", "-s"], 0, false),
];

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// What stands within a command.
pub(super) fn look(invocation: &Invocation) -> Inner {
    let Some(program) = invocation.program() else { return Inner::None };
    if SHELLS.contains(&program) {
        return shell(invocation);
    }
    match program {
        "eval" => eval(invocation),
        "su" | "runuser" => su(invocation, program),
        "conda" | "mamba" | "micromamba" => environment_run(invocation),
        "scl" => scl(invocation),
        "find" => find(invocation),
        "command"
            if invocation.words.get(1).is_some_and(|word| matches!(word.known(), Some("-v" | "-V"))) =>
        {
            Inner::None
        }
        // The only words of `exec` may be redirections.
        _ => match PREFIXES.iter().find(|prefix| prefix.name == program) {
            Some(prefix) => look_through(prefix, invocation.arguments()),
            None => Inner::None,
        },
    }
}

fn look_through(prefix: &Prefix, arguments: &[Value]) -> Inner {
    let mut assignments = Vec::new();
    let mut operands = prefix.operands;
    let mut at = 0;
    let mut options = true;
    while let Some(word) = arguments.get(at) {
        let text = word.text();
        if options && text == "--" {
            options = false;
        } else if options && text.starts_with('-') && text.len() > 1 {
            at += usize::from(prefix.valued.contains(&text.as_str()));
        } else if let Some((name, value)) = word.split_once('=').filter(|_| prefix.assigns && is_name(&text))
        {
            assignments.push((name.text(), value));
        } else if operands > 0 {
            operands -= 1;
        } else {
            return Inner::Command { words: arguments[at..].to_vec(), assignments };
        }
        at += 1;
    }
    Inner::None
}

fn is_name(text: &str) -> bool {
    let name = text.split('=').next().unwrap_or_default();
    !name.is_empty() && name.chars().all(|next| next.is_ascii_alphanumeric() || next == '_')
}

fn shell(invocation: &Invocation) -> Inner {
    let mut options = ShellOptions::default();
    let mut words = invocation.arguments().iter();
    let mut script = false;
    let mut from_stdin = true;
    while let Some(word) = words.next() {
        let Some(text) = word.known() else {
            from_stdin = false;
            if script {
                return Inner::Script(word.clone(), options);
            }
            break;
        };
        let on = text.starts_with('-');
        if let Some(letters) = text.strip_prefix(['-', '+']).filter(|letters| !letters.is_empty()) {
            if let Some(_long) = letters.strip_prefix('-') {
                continue;
            }
            for letter in letters.chars() {
                match letter {
                    'e' => options.errexit = on,
                    'u' => options.nounset = on,
                    'c' => script = true,
                    's' => {}
                    'o' => match words.next().and_then(Value::known) {
                        Some("pipefail") => options.pipefail = on,
                        Some("errexit") => options.errexit = on,
                        Some("nounset") => options.nounset = on,
                        _ => {}
                    },
                    _ => {}
                }
            }
            continue;
        }
        if script {
            return Inner::Script(word.clone(), options);
        }
        from_stdin = false;
        break;
    }
    match &invocation.stdin {
        Some(text) if from_stdin && !script => Inner::Script(text.clone(), options),
        _ => Inner::None,
    }
}

fn eval(invocation: &Invocation) -> Inner {
    match invocation.arguments() {
        [] => Inner::None,
        [only] => Inner::Script(only.clone(), invocation.options),
        several => {
            let mut joined = Value { quoted: true, ..Value::empty(several[0].span) };
            for (index, word) in several.iter().enumerate() {
                if index > 0 {
                    joined.push(super::Piece::Known(" ".into()));
                }
                joined.span = joined.span.to(word.span);
                word.pieces.iter().for_each(|piece| joined.push(piece.clone()));
            }
            Inner::Script(joined, invocation.options)
        }
    }
}

/// `su [-] USER -c SCRIPT`, `runuser -u USER -- COMMAND`.
fn su(invocation: &Invocation, program: &str) -> Inner {
    let arguments = invocation.arguments();
    let text = |at: usize| arguments.get(at).map(Value::text).unwrap_or_default();
    if let Some(at) =
        arguments.iter().position(|word| matches!(word.known(), Some("-c" | "--command" | "-lc")))
    {
        return match arguments.get(at + 1) {
            Some(script) => Inner::Script(script.clone(), ShellOptions::default()),
            None => Inner::None,
        };
    }
    if program == "runuser"
        && let Some(at) = arguments.iter().position(|word| word.known() == Some("-u"))
    {
        let from = at + 2 + usize::from(text(at + 2) == "--");
        if from < arguments.len() {
            return Inner::Command { words: arguments[from..].to_vec(), assignments: Vec::new() };
        }
    }
    Inner::None
}

/// `conda run -n NAME COMMAND`.
fn environment_run(invocation: &Invocation) -> Inner {
    match invocation.arguments() {
        [first, rest @ ..] if first.known() == Some("run") => {
            let valued = &["-n", "--name", "-p", "--prefix", "--cwd", "-r", "--root-prefix"];
            look_through(&prefix("run", valued, 0, false), rest)
        }
        _ => Inner::None,
    }
}

/// `scl enable COLLECTION... SCRIPT` and `scl enable COLLECTION... -- COMMAND`.
fn scl(invocation: &Invocation) -> Inner {
    let arguments = invocation.arguments();
    if let Some(at) = arguments.iter().position(|word| word.known() == Some("--")) {
        let words = arguments[at + 1..].to_vec();
        return if words.is_empty() {
            Inner::None
        } else {
            Inner::Command { words, assignments: Vec::new() }
        };
    }
    match arguments {
        [enable, _, .., script] if enable.known() == Some("enable") => {
            Inner::Script(script.clone(), ShellOptions::default())
        }
        _ => Inner::None,
    }
}

/// `find ... -exec COMMAND ;`
fn find(invocation: &Invocation) -> Inner {
    let arguments = invocation.arguments();
    let exec = |word: &Value| matches!(word.known(), Some("-exec" | "-execdir" | "-ok"));
    let Some(at) = arguments.iter().position(exec) else { return Inner::None };
    let words: Vec<Value> = arguments[at + 1..]
        .iter()
        .take_while(|word| !matches!(word.known(), Some(";" | "+")))
        .cloned()
        .collect();
    if words.is_empty() { Inner::None } else { Inner::Also(words) }
}
