fn main() {
    println!("rust: {}", itoa::Buffer::new().format(42));
}
