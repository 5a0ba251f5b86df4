//! The checksum of `.gnu_debuglink`: CRC-32 of ISO 3309, reflected, polynomial 0xedb88320.
//!
//! Context: pure.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut value = i as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[i] = value;
        i += 1;
    }
    table
}

/// The register after `bytes`. Start with all ones; the checksum is the complement of the last.
pub(super) fn update(register: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(register, |register, &byte| {
        let index = (register ^ u32::from(byte)) & 0xff;
        TABLE.get(index as usize).copied().unwrap_or(0) ^ (register >> 8)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_value_of_the_standard() {
        assert_eq!(!super::update(u32::MAX, b"123456789"), 0xcbf4_3926);
    }
}
