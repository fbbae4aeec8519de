//! A form in JSON: an object whose members are the fields, with photos in base64.
//!
//! Start at [`fields`]. As in multipart, members may come in any order, unknown ones are ignored, and a known one may
//! occur once. No text of the parser is passed on, because it may quote a value.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use actix_web::web::Bytes;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::{
    body::reserve,
    body_memory::HeldMemory,
    field::{Field, FieldNames},
    multipart,
    refusal::Refusal,
};

/// Deeper than any member that a client may send along. The limit bounds the stack that a hostile body can take.
const MAX_DEPTH: u8 = 16;
/// More values than a client may send along without a field's name. The limit bounds the time of the network's thread:
/// 16 MiB of numbers compress to 16 kB.
const MAX_IGNORED: u32 = 10_000;

/// Reads the members of known names. `reservation` gives memory for what is decoded.
///
/// # Errors
///
/// 400 when the body is no such object, 429 when all bodies together need too much memory.
pub(crate) fn fields(
    body: &[u8],
    names: FieldNames<'_>,
    reservation: &dyn Fn() -> HeldMemory,
) -> Result<Vec<Field>, Refusal> {
    let text = str::from_utf8(body).map_err(|_| Refusal::malformed("JSON body is not valid UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut unescaping = reservation();
    if text.contains('\\') {
        // The parser copies a string with escapes, into a buffer that grows by doubling.
        reserve(&mut unescaping, 2 * text.len())?;
    }
    let refusal = RefCell::default();
    let ignored = Cell::default();
    let form = JsonForm { names, reservation, refusal: &refusal, ignored: &ignored };
    let mut parser = serde_json::Deserializer::from_str(text);
    let parsed = parser.deserialize_any(form).and_then(|fields| parser.end().map(|()| fields));
    parsed.map_err(|error| refusal.take().unwrap_or_else(|| malformed(&error)))
}

/// The refusal for an error of the parser, without its text.
fn malformed(error: &serde_json::Error) -> Refusal {
    match error.classify() {
        Category::Data => Refusal::malformed("JSON body is not an object"),
        Category::Eof => Refusal::malformed("JSON body ends too early"),
        Category::Syntax | Category::Io => {
            Refusal::malformed(format!("Malformed JSON at line {}, column {}", error.line(), error.column()))
        }
    }
}

/// Visits the object. What is wrong with a member goes to `refusal`.
#[derive(Clone, Copy)]
struct JsonForm<'a> {
    names: FieldNames<'a>,
    reservation: &'a dyn Fn() -> HeldMemory,
    refusal: &'a RefCell<Option<Refusal>>,
    /// The values without a field's name so far.
    ignored: &'a Cell<u32>,
}

impl JsonForm<'_> {
    /// Ends the parsing with a refusal.
    fn refuse<E: serde::de::Error>(&self, refusal: Refusal) -> E {
        self.refusal.replace(Some(refusal));
        E::custom("refused")
    }

    /// The value of a field that is a string.
    fn string(&self, name: &str, value: &str) -> Result<Bytes, Refusal> {
        if !self.names.files.contains(&name) {
            // Longer than any text may be, so that it is refused in its turn.
            let end = value.len().min(Field::MAX_TEXT_BYTES + 1);
            return Ok(Bytes::copy_from_slice(&value.as_bytes()[..end]));
        }
        let encoded = without_data_prefix(value).as_bytes();
        let mut memory = (self.reservation)();
        reserve(&mut memory, multipart::base64_decoding_bytes(encoded.len()))?;
        multipart::decode_base64(encoded, memory)
            .ok_or_else(|| Refusal::malformed(format!("{name} is not valid base64")))
    }
}

impl<'de> Visitor<'de> for JsonForm<'_> {
    type Value = Vec<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut fields: Vec<Field> = Vec::new();
        while let Some(name) = members.next_key_seed(MemberName(self.names))? {
            let Some(name) = name else {
                members.next_value_seed(Ignored { form: self, depth: 1 })?;
                continue;
            };
            if fields.iter().any(|field| field.name == name) {
                return Err(self.refuse(Refusal::malformed(format!("{name} occurs twice in the JSON body"))));
            }
            let data = members.next_value_seed(MemberValue { form: self, name })?;
            fields.push(Field { name: name.to_owned(), charset: Some("utf-8".to_owned()), data });
        }
        Ok(fields)
    }
}

/// Reads a member's name: `None` for an unknown one.
struct MemberName<'a>(FieldNames<'a>);

impl<'de, 'a> DeserializeSeed<'de> for MemberName<'a> {
    type Value = Option<&'a str>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for MemberName<'a> {
    type Value = Option<&'a str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.all.iter().find(|known| **known == name).copied())
    }
}

/// Reads the value of a known member: a string, or null for a field without a value.
struct MemberValue<'a> {
    form: JsonForm<'a>,
    name: &'a str,
}

impl MemberValue<'_> {
    fn refuse<E: serde::de::Error>(&self) -> E {
        let text = format!("{} must be a JSON string", self.name);
        self.form.refuse(Refusal::malformed(text))
    }
}

impl<'de> DeserializeSeed<'de> for MemberValue<'_> {
    type Value = Option<Bytes>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MemberValue<'_> {
    type Value = Option<Bytes>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
        self.form.string(self.name, value).map(Some).map_err(|refusal| self.form.refuse(refusal))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(self.refuse())
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(self.refuse())
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(self.refuse())
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(self.refuse())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.refuse())
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.refuse())
    }
}

/// Reads a value and drops it.
#[derive(Clone, Copy)]
struct Ignored<'a> {
    form: JsonForm<'a>,
    depth: u8,
}

impl Ignored<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth {
            0..MAX_DEPTH => Ok(Self { depth: self.depth + 1, ..self }),
            _ => Err(self.form.refuse(Refusal::malformed("JSON body is nested too deeply"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Ignored<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        let ignored = self.form.ignored.get() + 1;
        self.form.ignored.set(ignored);
        if ignored > MAX_IGNORED {
            return Err(self.form.refuse(Refusal::malformed("JSON body has too many values")));
        }
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Ignored<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let element = self.deeper()?;
        while elements.next_element_seed(element)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let value = self.deeper()?;
        while members.next_key_seed(value)?.is_some() {
            members.next_value_seed(value)?;
        }
        Ok(())
    }
}

/// The base64 of a `data:` URL, as a browser's `FileReader` makes it. Other texts are returned as they are.
fn without_data_prefix(text: &str) -> &str {
    let text = text.trim_ascii_start();
    let Some((head, data)) = text.split_once(',') else { return text };
    let is_prefix = head.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
        && head.get(head.len().saturating_sub(7)..).is_some_and(|end| end.eq_ignore_ascii_case(";base64"));
    if is_prefix { data } else { text }
}

#[cfg(test)]
mod tests;
