//! Says a number by way of a crate.

fn main() {
    println!("rust: {}", itoa::Buffer::new().format(42));
}
