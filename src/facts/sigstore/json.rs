//! JSON that was signed, read strictly.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// How many values one text may hold: a few bytes of `[0,0,…` take some ten times their size in memory. A large SBOM has 200 000.
const MAX_VALUES: usize = 1_000_000;

/// Reads JSON of at most `limit` bytes, and refuses a key that stands twice in one object: two readers of one signed text could
/// otherwise see two different values (SR-15). Depth is bounded by serde_json (128).
pub(in crate::facts) fn read<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, String> {
    if bytes.len() > limit {
        return Err(format!("larger than {limit} bytes"));
    }
    let mut walked = serde_json::Deserializer::from_slice(bytes);
    Walk { left: &Cell::new(MAX_VALUES) }.deserialize(&mut walked).and_then(|()| walked.end()).map_err(short)?;
    serde_json::from_slice(bytes).map_err(short)
}

/// How many characters of a foreign error text are kept: such texts may quote what a stranger wrote.
const SHORT: usize = 200;

/// One line of an error, cut.
pub(in crate::facts) fn short(error: impl fmt::Display) -> String {
    error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHORT).collect()
}

/// Walks any JSON value, keeps nothing, and refuses an object that has a key twice, or more values than are left.
#[derive(Clone, Copy)]
struct Walk<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom(format!("more than {MAX_VALUES} values")))?;
        self.left.set(left);
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            entries.next_value_seed(self)?;
            if let Some(key) = seen.replace(key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice")));
            }
        }
        Ok(())
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
        let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
        assert!(read::<Value>(many.as_bytes(), many.len()).unwrap_err().contains("values"));
    }
}
