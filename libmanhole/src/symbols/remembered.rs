//! What earlier sessions have found out about addresses, in one compact piece of memory.
//!
//! Context: the agent's thread. Debug information is given back when a session ends; the few hundred answers that it gave are
//! kept, so that the next dump need not read it again. They are keyed by the module's identity and place: a module that was
//! replaced or has moved is asked anew.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Key;
use crate::snapshot::Location;

/// At most so much is kept, in bytes.
const LIMIT: usize = 96 * 1024;

/// Answers by module and address.
pub(super) type Answers = BTreeMap<Key, BTreeMap<u64, Vec<Location>>>;

/// Packs as many answers as may be kept.
pub(super) fn pack<'a>(modules: impl Iterator<Item = (&'a Key, &'a BTreeMap<u64, Vec<Location>>)>) -> Vec<u8> {
    let mut packed = Vec::new();
    for (key, located) in modules {
        for (address, locations) in located {
            let locations: Vec<Value> = locations
                .iter()
                .map(|it| json!([it.function, it.offset, it.object, it.file, it.line, it.inlined]))
                .collect();
            let line = json!([key.device, key.inode, key.build_id, key.bias, address, locations]).to_string();
            if packed.len() + line.len() >= LIMIT {
                return packed;
            }
            packed.extend_from_slice(line.as_bytes());
            packed.push(b'\n');
        }
    }
    packed.shrink_to_fit();
    packed
}

/// The answers that [`pack`] has packed.
pub(super) fn unpack(packed: &[u8]) -> Answers {
    let mut answers = Answers::new();
    for line in packed.split(|&byte| byte == b'\n') {
        if let Some((key, address, locations)) = answer(line) {
            answers.entry(key).or_default().insert(address, locations);
        }
    }
    answers
}

fn answer(line: &[u8]) -> Option<(Key, u64, Vec<Location>)> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let [device, inode, build_id, bias, address, locations] = line.as_array()?.as_slice() else { return None };
    let key = Key {
        device: (device.get(0)?.as_u64()? as u32, device.get(1)?.as_u64()? as u32),
        inode: inode.as_u64()?,
        build_id: build_id
            .as_array()?
            .iter()
            .map(|byte| byte.as_u64().map(|byte| byte as u8))
            .collect::<Option<_>>()?,
        bias: bias.as_u64()?,
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let location = |value: &Value| {
        let [function, offset, object, file, line, inlined] = value.as_array()?.as_slice() else { return None };
        Some(Location {
            function: text(function),
            offset: offset.as_u64()?,
            object: text(object)?,
            file: text(file),
            line: line.as_u64().map(|line| line as u32),
            inlined: inlined.as_bool()?,
        })
    };
    Some((key, address.as_u64()?, locations.as_array()?.iter().map(location).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_as_they_were_and_are_bounded() {
        let key = |bias| Key { device: (8, 1), inode: 42, build_id: vec![1, 255], bias };
        let location = Location {
            function: Some("a::b<\"x\">".to_owned()),
            offset: u64::MAX,
            object: "/lib/x\n.so".to_owned(),
            file: None,
            line: Some(7),
            inlined: true,
        };
        let located = BTreeMap::from([(u64::MAX, vec![location.clone(), Location::default()]), (1, vec![location])]);
        let answers = Answers::from([(key(0), located.clone()), (key(u64::MAX), located)]);
        assert_eq!(unpack(&pack(answers.iter())), answers);

        let many = (0..10_000).map(|address| (address, vec![Location::default()])).collect();
        let packed = pack(core::iter::once((&key(0), &many)));
        assert!(packed.len() <= LIMIT && unpack(&packed).values().next().unwrap().len() > 500);
        assert_eq!(unpack(b"garbage\n[1,2]\n"), Answers::new());
    }
}
