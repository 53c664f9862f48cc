//! Docker's default profile as data.

/// The table of allowed calls.
const CALLS: &str = include_str!("calls.txt");

/// The call that programs shall believe not to exist, because its flags lie in memory where no filter can see them; they
/// then use `clone`.
pub(super) const NOT_IMPLEMENTED: &str = "clone3";

/// What the first argument of a call must be.
pub(super) enum Argument {
    /// In one of these ranges, both ends included.
    OneOf(&'static [(u32, u32)]),
    /// None of these bits.
    Without(u32),
}

/// Every flag of `clone` that makes a namespace.
const NEW_NAMESPACES: u32 = 0x7e02_0000;

/// The calls that are allowed only with certain first arguments. The kernel reads 32 bits of each of them, or, for the
/// flags of `clone`, gives the upper ones no meaning.
pub(super) const ARGUMENTS: [(&str, Argument); 3] = [
    ("clone", Argument::Without(NEW_NAMESPACES)),
    // Linux, Linux in 32-bit clothes, each with UNAME26 (an old version number), and the question which one it is.
    (
        "personality",
        Argument::OneOf(&[(0, 0), (8, 8), (0x2_0000, 0x2_0000), (0x2_0008, 0x2_0008), (u32::MAX, u32::MAX)]),
    ),
    // Address families; left out are those that the kernel has dropped, AF_ALG (38) and AF_VSOCK (40).
    (
        "socket",
        Argument::OneOf(&[(0, 11), (13, 18), (21, 22), (24, 24), (26, 33), (35, 36), (39, 39), (41, 45)]),
    ),
];

/// A set of call numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abi {
    X86_64,
    X32,
    I386,
    Aarch64,
    Arm,
}

impl Abi {
    /// Added to the numbers of the table.
    pub(super) fn offset(self) -> u32 {
        if self == Abi::X32 { 0x4000_0000 } else { 0 }
    }
}

/// The numbers and names of the calls that an ABI has.
pub(super) fn numbers(abi: Abi) -> Vec<(u32, &'static str)> {
    CALLS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let name = words.next()?;
            let number: u32 = words.nth(abi as usize)?.parse().ok()?;
            Some((number + abi.offset(), name))
        })
        .collect()
}
