//! Docker's default filter of system calls, compiled for this machine.

mod bpf;
mod profile;

use bpf::{Action, Code, Range};
use profile::{ARGUMENTS, Abi, NOT_IMPLEMENTED};

/// The filter as the kernel takes it. Empty on processors that the profile has no numbers for.
pub(super) fn compile() -> Vec<libc::sock_filter> {
    let native = [
        (bpf::AUDIT_ARCH_X86_64, cfg!(target_arch = "x86_64"), &[Abi::X86_64, Abi::X32][..]),
        (bpf::AUDIT_ARCH_I386, cfg!(target_arch = "x86_64"), &[Abi::I386]),
        (bpf::AUDIT_ARCH_AARCH64, cfg!(target_arch = "aarch64"), &[Abi::Aarch64]),
        (bpf::AUDIT_ARCH_ARM, cfg!(target_arch = "aarch64"), &[Abi::Arm]),
    ];
    program(native.iter().filter(|(_, here, _)| *here).map(|(arch, _, abis)| (*arch, *abis)))
}

/// One search per architecture, the others denied.
fn program<'a>(architectures: impl Iterator<Item = (u32, &'a [Abi])>) -> Vec<libc::sock_filter> {
    let mut code = bpf::load(bpf::ARCHITECTURE);
    let mut any = false;
    for (architecture, abis) in architectures {
        any = true;
        code.extend(bpf::if_equal(architecture, calls(abis)));
    }
    code.extend(bpf::answer(Action::Errno(libc::EPERM)));
    if any { code } else { Vec::new() }
}

/// The decision about a call of one architecture, which may have several sets of numbers.
fn calls(abis: &[Abi]) -> Code {
    let mut ranges = Vec::new();
    for abi in abis {
        let mut numbers = profile::numbers(*abi);
        numbers.sort_unstable();
        let last = numbers.last().map_or(abi.offset(), |(number, _)| *number);
        for (number, name) in numbers {
            ranges.push(Range { first: number, code: decision(name) });
            ranges.push(Range { first: number + 1, code: bpf::answer(Action::Errno(libc::EPERM)) });
        }
        // Newer than the profile: programs take "does not exist" as a reason to do it the old way.
        ranges.push(Range { first: last + 1, code: bpf::answer(Action::Errno(libc::ENOSYS)) });
    }
    let mut code = bpf::load(bpf::NUMBER);
    code.extend(bpf::search(bpf::Action::Errno(libc::EPERM), ranges));
    code
}

fn decision(name: &str) -> Code {
    if name == NOT_IMPLEMENTED {
        return bpf::answer(Action::Errno(libc::ENOSYS));
    }
    let Some((_, argument)) = ARGUMENTS.iter().find(|(call, _)| *call == name) else {
        return bpf::answer(Action::Allow);
    };
    let mut code = bpf::load(bpf::FIRST_ARGUMENT);
    match argument {
        profile::Argument::OneOf(allowed) => {
            let ranges = allowed.iter().flat_map(|(first, last)| {
                let after = last
                    .checked_add(1)
                    .map(|first| Range { first, code: bpf::answer(Action::Errno(libc::EPERM)) });
                [Some(Range { first: *first, code: bpf::answer(Action::Allow) }), after]
            });
            code.extend(bpf::search(Action::Errno(libc::EPERM), ranges.flatten().collect()));
        }
        profile::Argument::Without(flags) => {
            code.extend(bpf::if_any_bit(*flags, bpf::answer(Action::Errno(libc::EPERM))));
            code.extend(bpf::answer(Action::Allow));
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

    /// What the kernel's interpreter would answer.
    fn run(program: &[libc::sock_filter], architecture: u32, number: u32, argument: u32) -> u32 {
        let data = |at: u32| match at {
            bpf::NUMBER => number,
            bpf::ARCHITECTURE => architecture,
            bpf::FIRST_ARGUMENT => argument,
            other => panic!("loads from {other}"),
        };
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let instruction = program[at];
            at += 1;
            let skip = |yes| usize::from(if yes { instruction.jt } else { instruction.jf });
            match u32::from(instruction.code) {
                bpf::LOAD => accumulator = data(instruction.k),
                bpf::RETURN => return instruction.k,
                bpf::JUMP => at += instruction.k as usize,
                bpf::JUMP_IF_EQUAL => at += skip(accumulator == instruction.k),
                bpf::JUMP_IF_AT_LEAST => at += skip(accumulator >= instruction.k),
                bpf::JUMP_IF_BITS => at += skip(accumulator & instruction.k != 0),
                other => panic!("instruction {other}"),
            }
        }
    }

    fn all() -> Vec<libc::sock_filter> {
        program(
            [
                (bpf::AUDIT_ARCH_X86_64, &[Abi::X86_64, Abi::X32][..]),
                (bpf::AUDIT_ARCH_I386, &[Abi::I386]),
                (bpf::AUDIT_ARCH_AARCH64, &[Abi::Aarch64]),
                (bpf::AUDIT_ARCH_ARM, &[Abi::Arm]),
            ]
            .into_iter(),
        )
    }

    fn check(architecture: u32, number: u32, argument: u32, expected: u32) {
        assert_eq!(
            run(&all(), architecture, number, argument),
            expected,
            "call {number} of {architecture:x}"
        );
    }

    #[test]
    fn allows_every_call_of_the_profile_and_nothing_between_them() {
        let program = all();
        for (abi, architecture) in [
            (Abi::X86_64, bpf::AUDIT_ARCH_X86_64),
            (Abi::X32, bpf::AUDIT_ARCH_X86_64),
            (Abi::I386, bpf::AUDIT_ARCH_I386),
            (Abi::Aarch64, bpf::AUDIT_ARCH_AARCH64),
            (Abi::Arm, bpf::AUDIT_ARCH_ARM),
        ] {
            let numbers: std::collections::BTreeMap<_, _> = profile::numbers(abi).into_iter().collect();
            assert!(numbers.len() > 250);
            let last = *numbers.keys().next_back().expect("there are calls");
            for number in abi.offset()..=last {
                let expected = match numbers.get(&number) {
                    Some(&NOT_IMPLEMENTED) => ENOSYS,
                    Some(_) => ALLOW,
                    None => EPERM,
                };
                assert_eq!(run(&program, architecture, number, 0), expected, "{abi:?} {number}");
            }
            assert_eq!(run(&program, architecture, last + 1, 0), ENOSYS);
        }
    }

    #[test]
    fn denies_what_makes_namespaces_and_reaches_the_kernel() {
        for number in [
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_bpf,
            libc::SYS_keyctl,
            libc::SYS_add_key,
        ] {
            if cfg!(target_arch = "x86_64") {
                check(bpf::AUDIT_ARCH_X86_64, number as u32, 0, EPERM);
            }
        }
        check(bpf::AUDIT_ARCH_X86_64, 56, libc::SIGCHLD as u32, ALLOW);
        check(bpf::AUDIT_ARCH_X86_64, 56, libc::CLONE_NEWUSER as u32, EPERM);
        check(bpf::AUDIT_ARCH_I386, 120, libc::CLONE_NEWNS as u32, EPERM);
        check(bpf::AUDIT_ARCH_X86_64, 435, 0, ENOSYS);
        check(0x1234, 0, 0, EPERM);
    }

    #[test]
    fn looks_at_the_first_argument_of_socket_and_personality() {
        for (family, expected) in
            [(libc::AF_INET, ALLOW), (libc::AF_UNIX, ALLOW), (libc::AF_ALG, EPERM), (libc::AF_VSOCK, EPERM)]
        {
            check(bpf::AUDIT_ARCH_X86_64, 41, family as u32, expected);
        }
        for (persona, expected) in [
            (0, ALLOW),
            (8, ALLOW),
            (9, EPERM),
            (0x0002_0008, ALLOW),
            (0x0040_0000, EPERM),
            (u32::MAX, ALLOW),
        ] {
            check(bpf::AUDIT_ARCH_X86_64, 135, persona, expected);
        }
    }
}
