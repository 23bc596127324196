//! JSON that was signed, read strictly.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Reads JSON of at most `limit` bytes, and refuses a key that stands twice in one object: two readers of one signed text could
/// otherwise see two different values (SR-15). Depth is bounded by serde_json (128).
pub(in crate::facts) fn read<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, String> {
    if bytes.len() > limit {
        return Err(format!("larger than {limit} bytes"));
    }
    serde_json::from_slice::<NoKeyTwice>(bytes).map_err(short)?;
    serde_json::from_slice(bytes).map_err(short)
}

/// How many characters of a foreign error text are kept: such texts may quote what a stranger wrote.
const SHORT: usize = 200;

/// One line of an error, cut.
pub(in crate::facts) fn short(error: impl fmt::Display) -> String {
    error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHORT).collect()
}

/// Any JSON value in which no object has a key twice; keeps nothing.
struct NoKeyTwice;

impl<'de> Deserialize<'de> for NoKeyTwice {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = NoKeyTwice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<NoKeyTwice, E> {
        Ok(NoKeyTwice)
    }

    fn visit_i64<E>(self, _: i64) -> Result<NoKeyTwice, E> {
        Ok(NoKeyTwice)
    }

    fn visit_u64<E>(self, _: u64) -> Result<NoKeyTwice, E> {
        Ok(NoKeyTwice)
    }

    fn visit_f64<E>(self, _: f64) -> Result<NoKeyTwice, E> {
        Ok(NoKeyTwice)
    }

    fn visit_str<E>(self, _: &str) -> Result<NoKeyTwice, E> {
        Ok(NoKeyTwice)
    }

    fn visit_unit<E>(self) -> Result<NoKeyTwice, E> {
        Ok(NoKeyTwice)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NoKeyTwice, A::Error> {
        while items.next_element::<NoKeyTwice>()?.is_some() {}
        Ok(NoKeyTwice)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<NoKeyTwice, A::Error> {
        let mut seen = HashSet::new();
        while let Some((key, _)) = entries.next_entry::<String, NoKeyTwice>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice")));
            }
            seen.insert(key);
        }
        Ok(NoKeyTwice)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_refused_however_it_is_spelt() {
        for bad in [r#"{"a":1,"a":1}"#, r#"[{"x":{"a":1,"\u0061":2}}]"#] {
            let error = read::<Value>(bad.as_bytes(), 100).unwrap_err();
            assert!(error.contains("stands twice"), "{error}");
        }
        assert!(read::<Value>(br#"{"a":[{"b":1},{"b":1.5}],"c":null,"d":-1,"e":true}"#, 100).is_ok());
    }

    #[test]
    fn size_depth_and_trailing_text_are_bounded() {
        assert!(read::<Value>(b"[1,2,3]", 6).is_err());
        assert!(read::<Value>("[".repeat(100_000).as_bytes(), 1 << 20).is_err());
        assert!(read::<Value>(b"{} {}", 100).is_err());
        assert!(read::<Value>(b"\xff", 100).is_err());
    }
}
