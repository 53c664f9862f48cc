//! Why a program could not be executed, from its first bytes.

use std::io::Read;
use std::path::Path;

use super::{Errno, SandboxError};

/// Where the kernel lists the interpreters that it has been told of.
pub(super) const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";
/// As far as the kernel reads a `#!` line, and enough for an ELF header.
const HEAD: u64 = 4096;

/// The error for a file that exists but could not be executed.
pub(super) fn explain(path: &Path, errno: Errno) -> SandboxError {
    let program = path.to_string_lossy().into_owned();
    match errno {
        Errno(libc::ENOENT) => match interpreter(&head(path)) {
            // A foreign program whose emulator is registered, but for the host's root only (without the flag F).
            Some(interpreter) if Path::new(&interpreter).exists() => {
                SandboxError::ExecFormat { program, machine: machine(&head(path)) }
            }
            Some(interpreter) => SandboxError::MissingInterpreter { program, interpreter },
            None => SandboxError::NotFound { program, path: None },
        },
        Errno(libc::ENOEXEC) => SandboxError::ExecFormat { program, machine: machine(&head(path)) },
        Errno(libc::E2BIG | libc::EFAULT) => SandboxError::Arguments { source: errno },
        _ => SandboxError::NotExecutable { program, source: errno },
    }
}

/// Reads arbitrary bytes as the start of a program, as they may stand in a hostile image.
pub(super) fn fuzz(data: &[u8]) {
    let head = &data[..data.len().min(HEAD as usize)];
    let _ = (interpreter(head), machine(head));
}

fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.take(HEAD).read_to_end(&mut head);
    }
    head
}

/// The program that a script or a dynamically linked program names.
fn interpreter(head: &[u8]) -> Option<String> {
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        let word =
            line.split(|byte| byte.is_ascii_whitespace() && *byte != b'\r').find(|word| !word.is_empty())?;
        return Some(String::from_utf8_lossy(word).escape_default().to_string());
    }
    loader(head)
}

/// The ELF program header `PT_INTERP`, of the two word sizes and the byte order of this machine.
fn loader(head: &[u8]) -> Option<String> {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, size: usize| -> Option<u64> {
        let bytes = head.get(at..at.checked_add(size)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    if !head.starts_with(b"\x7fELF") || number(5, 1)? != 1 {
        return None;
    }
    let wide = number(4, 1)? == 2;
    let (table, entry_size, entries) = if wide {
        (number(32, 8)?, number(54, 2)?, number(56, 2)?)
    } else {
        (number(28, 4)?, number(42, 2)?, number(44, 2)?)
    };
    for entry in 0..entries {
        let at = usize::try_from(table.checked_add(entry * entry_size)?).ok()?;
        if number(at, 4)? == PT_INTERP {
            let (offset, size) = if wide {
                (number(at + 8, 8)?, number(at + 32, 8)?)
            } else {
                (number(at + 4, 4)?, number(at + 16, 4)?)
            };
            let offset = usize::try_from(offset).ok()?;
            let name = head.get(offset..offset.checked_add(usize::try_from(size).ok()?)?)?;
            return Some(String::from_utf8_lossy(name).trim_end_matches('\0').to_owned());
        }
    }
    None
}

/// What processor an ELF program is for, if not for this one.
fn machine(head: &[u8]) -> Option<String> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let (low, high) = (*head.get(18)?, *head.get(19)?);
    let big_endian = *head.get(5)? == 2;
    let code = if big_endian { u16::from_be_bytes([low, high]) } else { u16::from_le_bytes([low, high]) };
    let name = match code {
        3 => "386",
        8 => "mips",
        20 => "ppc",
        21 if big_endian => "ppc64",
        21 => "ppc64le",
        22 => "s390x",
        40 => "arm",
        62 => "amd64",
        183 => "arm64",
        243 => "riscv64",
        258 => "loong64",
        other => return Some(format!("ELF machine {other}")),
    };
    let here = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        other => other,
    };
    (name != here).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_interpreter_of_a_script() {
        assert_eq!(interpreter(b"#! /usr/bin/env  python3\nx").as_deref(), Some("/usr/bin/env"));
        assert_eq!(interpreter(b"#!/bin/sh\r\n").as_deref(), Some("/bin/sh\\r"));
        assert_eq!(interpreter(b"#!\n"), None);
    }

    #[test]
    fn names_the_loader_and_the_machine_of_a_program() {
        let head = head(&std::env::current_exe().expect("a test has a program"));
        assert!(loader(&head).is_none_or(|loader| loader.starts_with('/')));
        assert_eq!(machine(&head), None, "it runs here");
        let mut foreign = b"\x7fELF\x02\x02\x01".to_vec();
        foreign.resize(18, 0);
        foreign.extend([0, 22]);
        assert_eq!(machine(&foreign).as_deref(), Some("s390x"));
    }

    #[test]
    fn bears_with_nonsense() {
        for length in 0..200 {
            let mut bytes = b"\x7fELF\x02\x01".to_vec();
            bytes.resize(length, 0xff);
            fuzz(&bytes);
        }
    }
}
