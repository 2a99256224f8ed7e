//! UUIDs of version 4, from random bytes that the caller provides.

/// The text of a UUID made of these bytes.
pub fn uuid(random: [u8; 16]) -> String {
    let hex = uuid_hex(random);
    let mut text = String::with_capacity(36);
    for (at, digit) in hex.char_indices() {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// The 32 hex digits of a UUID made of these bytes, without dashes.
pub fn uuid_hex(random: [u8; 16]) -> String {
    let mut number = u128::from_be_bytes(random);
    number = number & !(0xf << 76) | 0x4 << 76;
    number = number & !(0x3 << 62) | 0x2 << 62;
    format!("{number:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_variant_are_set() {
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid([255; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
