//! Classic BPF, as much of it as a filter needs.

/// Instructions one after the other. All jumps lead forwards.
pub(super) type Code = Vec<libc::sock_filter>;

/// Where the kernel puts the call's number, its architecture, and the lower half of its first argument.
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCHITECTURE: u32 = 4;
pub(super) const FIRST_ARGUMENT: u32 = if cfg!(target_endian = "little") { 16 } else { 20 };

pub(super) const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
pub(super) const AUDIT_ARCH_I386: u32 = 0x4000_0003;
pub(super) const AUDIT_ARCH_AARCH64: u32 = 0xc000_00b7;
pub(super) const AUDIT_ARCH_ARM: u32 = 0x4000_0028;

pub(super) const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
pub(super) const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
pub(super) const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
pub(super) const JUMP_IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
pub(super) const JUMP_IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
pub(super) const JUMP_IF_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;

/// What becomes of a call.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Allow,
    Errno(i32),
}

/// What to do from a value on, up to the next range.
pub(super) struct Range {
    pub first: u32,
    pub code: Code,
}

/// Loads a word of the call's description.
pub(super) fn load(from: u32) -> Code {
    vec![instruction(LOAD, 0, 0, from)]
}

/// Ends the filter.
pub(super) fn answer(action: Action) -> Code {
    let value = match action {
        Action::Allow => libc::SECCOMP_RET_ALLOW,
        Action::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno as u32,
    };
    vec![instruction(RETURN, 0, 0, value)]
}

/// Runs `code`, which ends the filter, if the loaded word is `value`.
pub(super) fn if_equal(value: u32, code: Code) -> Code {
    guard(JUMP_IF_EQUAL, value, code)
}

/// Runs `code`, which ends the filter, if the loaded word has one of these bits.
pub(super) fn if_any_bit(bits: u32, code: Code) -> Code {
    guard(JUMP_IF_BITS, bits, code)
}

fn guard(test: u32, value: u32, code: Code) -> Code {
    let mut guarded = vec![instruction(test, 1, 0, value), instruction(JUMP, 0, 0, code.len() as u32)];
    guarded.extend(code);
    guarded
}

/// Finds the range that the loaded word lies in, by halving. Of ranges that begin at the same value the last one given
/// counts, so that the end of one call's range gives way to its neighbour.
pub(super) fn search(below: Action, mut ranges: Vec<Range>) -> Code {
    // Stable: those that begin at the same value keep their order.
    ranges.sort_by_key(|range| range.first);
    ranges.dedup_by(|later, earlier| {
        let same = later.first == earlier.first;
        if same {
            earlier.code = std::mem::take(&mut later.code);
        }
        same
    });
    if ranges.first().is_none_or(|range| range.first > 0) {
        ranges.insert(0, Range { first: 0, code: answer(below) });
    }
    // Neighbours that do the same are one.
    ranges.dedup_by(|later, earlier| equal(&later.code, &earlier.code));
    halve(&ranges)
}

fn halve(ranges: &[Range]) -> Code {
    let [.., last] = ranges else { return Code::new() };
    if ranges.len() == 1 {
        return last.code.clone();
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let pivot = high.first().map_or(0, |range| range.first);
    let low = halve(low);
    let mut code = match u8::try_from(low.len()) {
        Ok(length) => vec![instruction(JUMP_IF_AT_LEAST, length, 0, pivot)],
        // A conditional jump reaches 255 instructions, an unconditional one any.
        Err(_) => vec![instruction(JUMP_IF_AT_LEAST, 0, 1, pivot), instruction(JUMP, 0, 0, low.len() as u32)],
    };
    code.extend(low);
    code.extend(halve(high));
    code
}

fn equal(one: &Code, other: &Code) -> bool {
    let fields = |code: &Code| -> Vec<_> { code.iter().map(|i| (i.code, i.jt, i.jf, i.k)).collect() };
    fields(one) == fields(other)
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}
