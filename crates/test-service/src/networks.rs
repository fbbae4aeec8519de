//! Tiny networks that tests make, as ONNX files: the few messages of that format, written by hand.

/// A field of a protobuf message that has a length: a message, a text or packed numbers.
pub fn field(number: u8, data: impl AsRef<[u8]>) -> Vec<u8> {
    let data = data.as_ref();
    let mut encoded = vec![number << 3 | 2];
    let mut length = data.len();
    while length >= 0x80 {
        encoded.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    encoded.push(length as u8);
    encoded.extend_from_slice(data);
    encoded
}

/// A field with a small number, which takes a second byte from 128 on.
pub fn number(field: u8, value: u8) -> Vec<u8> {
    if value < 0x80 { vec![field << 3, value] } else { vec![field << 3, value, 1] }
}

/// A node without attributes.
pub fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    node_with(operator, inputs, output, &[])
}

/// A node with attributes, each of which is a list of small numbers.
pub fn node_with(operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, &[u8])]) -> Vec<u8> {
    // The kind of an attribute is field 20, whose key takes two bytes; 7 stands for integers.
    let attribute = |(name, values): &(&str, &[u8])| {
        let values: Vec<u8> = values.iter().flat_map(|value| number(8, *value)).collect();
        field(5, [field(1, name), values, vec![0xa0, 0x01, 7]].concat())
    };
    let inputs: Vec<u8> = inputs.iter().flat_map(|name| field(1, name)).collect();
    let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
    field(1, [inputs, field(2, output), field(4, operator), attributes].concat())
}

/// An initializer of numbers.
pub fn tensor(name: &str, sizes: &[u8], values: &[f32]) -> Vec<u8> {
    let sizes: Vec<u8> = sizes.iter().flat_map(|size| number(1, *size)).collect();
    let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    field(5, [sizes, number(2, 1), field(8, name), field(9, values)].concat())
}

/// An input (11) or an output (12) of a graph.
pub fn value(place: u8, name: &str, sizes: &[u8]) -> Vec<u8> {
    let sizes: Vec<u8> = sizes.iter().flat_map(|size| field(1, number(1, *size))).collect();
    let kind = field(1, [number(1, 1), field(2, sizes)].concat());
    field(place, [field(1, name), field(2, kind)].concat())
}

/// A model of this graph, in version 13 of the operators.
pub fn model(graph: &[u8]) -> Vec<u8> {
    [number(1, 7), field(7, graph), field(8, number(2, 13))].concat()
}
