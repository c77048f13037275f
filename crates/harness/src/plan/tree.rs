//! From typed plans to trees: in the order of their fields, and by no detour through a text that some
//! value might not survive.

use serde::{
    Serialize, Serializer,
    ser::{self, Impossible},
};

use super::{Content, Entry, Node, Origin, PlanFile};

/// A plan as a tree, all of it by default.
pub(super) fn tree(plan: &PlanFile) -> Node {
    plan.serialize(ToNode).expect("a plan is made of what trees have")
}

/// Makes trees. What no plan has is an error: bytes, tuples, variants with fields.
struct ToNode;

/// What no tree has.
#[derive(Debug)]
struct Foreign(String);

impl std::error::Error for Foreign {}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl ser::Error for Foreign {
    fn custom<T: std::fmt::Display>(what: T) -> Self {
        Self(what.to_string())
    }
}

fn plain(content: Content) -> Result<Node, Foreign> {
    Ok(Node::new(Origin::Default, content))
}

fn foreign<T>(what: &str) -> Result<T, Foreign> {
    Err(Foreign(format!("plans have no {what}")))
}

/// Numbers that fit into others, and what no plan has.
macro_rules! leaves {
    ($($method:ident($type:ty) => $content:expr;)*) => {$(
        fn $method(self, value: $type) -> Result<Node, Foreign> {
            plain($content(value.into()))
        }
    )*};
}

impl Serializer for ToNode {
    type Ok = Node;
    type Error = Foreign;
    type SerializeSeq = List;
    type SerializeTuple = Impossible<Node, Foreign>;
    type SerializeTupleStruct = Impossible<Node, Foreign>;
    type SerializeTupleVariant = Impossible<Node, Foreign>;
    type SerializeMap = Map;
    type SerializeStruct = Map;
    type SerializeStructVariant = Impossible<Node, Foreign>;

    leaves! {
        serialize_bool(bool) => Content::Bool;
        serialize_i8(i8) => Content::Int;
        serialize_i16(i16) => Content::Int;
        serialize_i32(i32) => Content::Int;
        serialize_i64(i64) => Content::Int;
        serialize_i128(i128) => Content::Int;
        serialize_u8(u8) => Content::Int;
        serialize_u16(u16) => Content::Int;
        serialize_u32(u32) => Content::Int;
        serialize_u64(u64) => Content::Int;
        serialize_f32(f32) => Content::Float;
        serialize_f64(f64) => Content::Float;
        serialize_char(char) => Content::Text;
        serialize_str(&str) => Content::Text;
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Node, Foreign> {
        foreign("bytes")
    }

    fn serialize_none(self) -> Result<Node, Foreign> {
        plain(Content::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Node, Foreign> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Node, Foreign> {
        plain(Content::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Node, Foreign> {
        plain(Content::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Node, Foreign> {
        plain(Content::Text(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Node, Foreign> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Node, Foreign> {
        foreign("variants with a value")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List, Foreign> {
        Ok(List(Vec::new()))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Foreign> {
        foreign("tuples")
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Foreign> {
        foreign("tuples")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Foreign> {
        foreign("variants with values")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map, Foreign> {
        Ok(Map { entries: Vec::new(), key: String::new() })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Map, Foreign> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Foreign> {
        foreign("variants with fields")
    }
}

/// A list in the making.
struct List(Vec<Node>);

impl ser::SerializeSeq for List {
    type Ok = Node;
    type Error = Foreign;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Foreign> {
        self.0.push(value.serialize(ToNode)?);
        Ok(())
    }

    fn end(self) -> Result<Node, Foreign> {
        plain(Content::List(self.0))
    }
}

/// A map in the making.
struct Map {
    entries: Vec<Entry>,
    key: String,
}

impl ser::SerializeMap for Map {
    type Ok = Node;
    type Error = Foreign;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Foreign> {
        self.key = key.serialize(ToNode)?.to_string();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Foreign> {
        let (key, node) = (std::mem::take(&mut self.key), value.serialize(ToNode)?);
        self.entries.push(Entry { key, at: Origin::Default, node });
        Ok(())
    }

    fn end(self) -> Result<Node, Foreign> {
        plain(Content::Map(self.entries))
    }
}

impl ser::SerializeStruct for Map {
    type Ok = Node;
    type Error = Foreign;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Foreign> {
        ser::SerializeMap::serialize_entry(self, key, value)
    }

    fn end(self) -> Result<Node, Foreign> {
        ser::SerializeMap::end(self)
    }
}
