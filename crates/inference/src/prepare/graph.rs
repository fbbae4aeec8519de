use std::collections::{HashMap, HashSet};

use crate::onnx::{
    AttributeProto, Dimension, DimensionValue, GraphProto, TensorProto, TensorShapeProto, TypeValue,
    ValueInfoProto,
};

/// Removes the weights that no node reads and that are not inputs of the graph.
pub(crate) fn drop_unused_weights(graph: &mut GraphProto) {
    let used: HashSet<_> = graph.node.iter().flat_map(|node| node.input.iter().cloned()).collect();
    let inputs: HashSet<_> = graph.input.iter().map(|input| input.name().to_owned()).collect();
    graph.initializer.retain(|weight| used.contains(weight.name()) || inputs.contains(weight.name()));
}

/// The names of all values of a graph.
pub(crate) fn value_names(graph: &GraphProto) -> HashSet<&str> {
    let interface = graph.input.iter().chain(&graph.output).map(ValueInfoProto::name);
    let weights = graph.initializer.iter().map(TensorProto::name);
    let inner = graph.node.iter().flat_map(|node| node.output.iter().map(String::as_str));
    interface.chain(weights).chain(inner).collect()
}

/// The sizes of a dense value; `None` when they are not described.
pub(crate) fn sizes_of(value: &mut ValueInfoProto) -> Option<&mut TensorShapeProto> {
    match value.kind.as_mut()?.value.as_mut()? {
        TypeValue::Tensor(tensor) => tensor.shape.as_mut(),
        _ => None,
    }
}

/// Gives a size a name instead of a number. A size that is symbolic already keeps its name.
pub(crate) fn set_symbolic(dimension: &mut Dimension, name: &str) {
    if !matches!(dimension.value, Some(DimensionValue::Named(_))) {
        dimension.value = Some(DimensionValue::Named(name.to_owned()));
    }
}

/// The constants of a graph by name: its weights, and those in nodes.
pub(crate) fn constants(graph: &GraphProto) -> HashMap<&str, &TensorProto> {
    let in_nodes = graph.node.iter().filter(|node| node.op_type() == "Constant").filter_map(|node| {
        let tensor = node.attribute.iter().find_map(|attribute: &AttributeProto| attribute.t.as_ref())?;
        Some((node.output.first()?.as_str(), tensor))
    });
    graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).chain(in_nodes).collect()
}

/// The numbers of an `int64` tensor.
pub(crate) fn integers(tensor: &TensorProto) -> impl Iterator<Item = i64> {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).chain(tensor.int64_data.iter().copied())
}
