//! New keys, made of random bytes.

/// The letters and digits that are not mistaken for each other, as in Flagsmith's keys.
const ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// The number of characters that 128 random bits fill.
const LENGTH: usize = 22;
const PREFIX_LENGTH: usize = 8;

/// A client key.
pub fn client_key(random: &dyn Fn() -> [u8; 16]) -> String {
    let mut number = u128::from_be_bytes(random());
    let mut key = String::with_capacity(LENGTH);
    for _ in 0..LENGTH {
        let digit = usize::try_from(number % ALPHABET.len() as u128).unwrap_or_default();
        key.extend(ALPHABET.get(digit).map(|letter| char::from(*letter)));
        number /= ALPHABET.len() as u128;
    }
    key
}

/// A server key.
pub fn server_key(random: &dyn Fn() -> [u8; 16]) -> String {
    format!("ser.{}", client_key(random))
}

/// A master API key, after its prefix.
pub fn master_api_key(random: &dyn Fn() -> [u8; 16]) -> (String, String) {
    let prefix: String = client_key(random).chars().take(PREFIX_LENGTH).collect();
    let key = format!("{prefix}.{}", client_key(random));
    (prefix, key)
}
