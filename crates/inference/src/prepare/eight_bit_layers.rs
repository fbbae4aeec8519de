use prost::Message as _;

use super::{apply, decode};
use crate::{
    manifest::EightBitLayer,
    model_error::ModelError,
    onnx::{self, AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto},
    preparation_step::PreparationStep,
    prepare::graph::{drop_unused_weights, value_names},
};

/// The first version of ONNX's operators that can have a scale for each channel, and the file format that it needs.
const FIRST_WITH_SCALES_OF_CHANNELS: i64 = 13;
const FORMAT_OF_THAT_VERSION: i64 = 7;

/// Operators that compute the same in each version up to [`FIRST_WITH_SCALES_OF_CHANNELS`] from [`OLDEST_VERSION`] on.
const UNCHANGED_OPERATORS: [&str; 14] = [
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Conv",
    "Div",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "Identity",
    "Mul",
    "PRelu",
    "Relu",
    "Reshape",
    "Sub",
];
const OLDEST_VERSION: i64 = 9;

/// Lets layers compute with integers of 8 bits: their input is rounded to 256 steps of a range, and their weights to 255
/// steps for each output channel. The rest of the graph stays as it is.
///
/// # Errors
///
/// [`ModelError::Graph`] when the bytes are not an ONNX graph, or it lacks such a layer.
pub(crate) fn with_eight_bit_layers(bytes: Vec<u8>, layers: &[EightBitLayer]) -> Result<Vec<u8>, ModelError> {
    let mut model = decode(bytes.into())?;
    apply(&PreparationStep::WeightsOutOfInputs, &mut model)?;
    let graph = model.graph.get_or_insert_default();
    remove_dropouts(graph);
    for layer in layers {
        rewrite(graph, layer)?;
    }
    drop_unused_weights(graph);
    raise_version(&mut model)?;
    Ok(model.encode_to_vec())
}

/// Removes what only changes values in training. Its form depends on the version of the operators.
fn remove_dropouts(graph: &mut GraphProto) {
    let is_dropout = |node: &NodeProto| node.op_type() == "Dropout" && node.output.len() == 1;
    let is_result = |name: &String| graph.output.iter().any(|output| output.name() == name);
    let (dropouts, mut nodes): (Vec<_>, Vec<_>) = std::mem::take(&mut graph.node)
        .into_iter()
        .partition(|node| is_dropout(node) && !node.output.iter().any(is_result));
    // The input of one may be the output of another, so the last is replaced first.
    for dropout in dropouts.iter().rev() {
        let ([input, ..], [output]) = (&dropout.input[..], &dropout.output[..]) else { continue };
        let readers = nodes.iter_mut().flat_map(|node| &mut node.input);
        readers.filter(|name| *name == output).for_each(|name| name.clone_from(input));
    }
    graph.node = nodes;
}

fn rewrite(graph: &mut GraphProto, layer: &EightBitLayer) -> Result<(), ModelError> {
    let name = &layer.layer;
    let missing = || ModelError::Graph(format!("there is no Conv or Gemm with rows of weights named {name}"));
    let at = graph.node.iter().position(|node| node.name() == name && has_rows(node)).ok_or_else(missing)?;
    let [input, weights] = [0, 1].map(|input| graph.node[at].input.get(input).cloned());
    let (input, weights) = input.zip(weights).ok_or_else(missing)?;
    let weights = graph.initializer.iter().find(|tensor| tensor.name() == weights).ok_or_else(missing)?;
    let names = Names(name);
    let (tensors, nodes) = (names.tensors(layer, weights)?, names.nodes(&input));
    let taken = value_names(graph);
    let mut new = tensors.iter().map(TensorProto::name).chain(nodes.iter().map(|node| &*node.output[0]));
    if let Some(name) = new.find(|name| taken.contains(name)) {
        return Err(ModelError::Graph(format!("{name} is already the name of a value")));
    }
    graph.node[at].input[0] = names.of("input");
    graph.node[at].input[1] = names.of("weights");
    graph.node.splice(at..at, nodes);
    graph.initializer.extend(tensors);
    Ok(())
}

/// Whether the first axis of the weights is that of the output channels.
fn has_rows(node: &NodeProto) -> bool {
    let transposes = |name: &str| node.attribute.iter().any(|a| a.name() == name && a.i() != 0);
    match node.op_type() {
        "Conv" => true,
        "Gemm" => !transposes("transA") && transposes("transB"),
        _ => false,
    }
}

/// The names of a layer's new values.
struct Names<'a>(&'a str);

impl Names<'_> {
    fn of(&self, part: &str) -> String {
        format!("{}/int8/{part}", self.0)
    }

    fn tensors(&self, layer: &EightBitLayer, weights: &TensorProto) -> Result<Vec<TensorProto>, ModelError> {
        let tensor = |part: &str, dims: &[i64], data_type, raw_data: Vec<u8>| TensorProto {
            dims: dims.to_vec(),
            data_type: Some(data_type),
            name: Some(self.of(part)),
            raw_data: Some(raw_data.into()),
            ..TensorProto::default()
        };
        let Steps { size, zero, is_signed } = Steps::of(layer);
        let rows = weights.dims.first().copied().unwrap_or_default();
        let Rounded { scales, integers } = round_rows(weights, rows)?;
        let zeros = vec![0; scales.len()];
        let scales = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        Ok(vec![
            tensor("step", &[], onnx::FLOAT, size.to_le_bytes().to_vec()),
            tensor("zero", &[], if is_signed { onnx::INT8 } else { onnx::UINT8 }, vec![zero]),
            tensor("rounded_weights", &weights.dims, onnx::INT8, integers),
            tensor("steps_of_weights", &[rows], onnx::FLOAT, scales),
            tensor("zeros_of_weights", &[rows], onnx::INT8, zeros),
        ])
    }

    /// The nodes that round the input, and those that tell what the integers stand for. The runtime merges the latter
    /// into the layer.
    fn nodes(&self, input: &str) -> Vec<NodeProto> {
        let node = |operator: &str, inputs: [String; 3], part: &str, attribute| NodeProto {
            input: inputs.to_vec(),
            output: vec![self.of(part)],
            name: Some(self.of(part)),
            op_type: Some(operator.to_owned()),
            attribute,
            ..NodeProto::default()
        };
        let rows = AttributeProto {
            name: Some("axis".to_owned()),
            kind: Some(onnx::INT),
            i: Some(0),
            ..AttributeProto::default()
        };
        let of_input = |value: String| [value, self.of("step"), self.of("zero")];
        let of_weights =
            ["rounded_weights", "steps_of_weights", "zeros_of_weights"].map(|part| self.of(part));
        vec![
            node("QuantizeLinear", of_input(input.to_owned()), "rounded_input", Vec::new()),
            node("DequantizeLinear", of_input(self.of("rounded_input")), "input", Vec::new()),
            node("DequantizeLinear", of_weights, "weights", vec![rows]),
        ]
    }
}

/// The steps to which a layer's input is rounded.
struct Steps {
    size: f32,
    /// The integer that stands for 0.
    zero: u8,
    is_signed: bool,
}

impl Steps {
    fn of(&EightBitLayer { from, to, .. }: &EightBitLayer) -> Self {
        if from + to == 0.0 {
            return Self { size: to / 127.0, zero: 0, is_signed: true };
        }
        let size = (to - from) / 255.0;
        Self { size, zero: (-from / size).round() as u8, is_signed: false }
    }
}

/// Weights as signed integers, row by row, with the scale of each row.
struct Rounded {
    scales: Vec<f32>,
    integers: Vec<u8>,
}

fn round_rows(weights: &TensorProto, rows: i64) -> Result<Rounded, ModelError> {
    let values = onnx::encoded_floats(weights)?;
    let row = values.len() / usize::try_from(rows).unwrap_or_default().max(1);
    let mut rounded = Rounded { scales: Vec::new(), integers: Vec::with_capacity(values.len()) };
    for row in values.chunks(row.max(1)) {
        let row = row.iter().copied().map(f32::from_le_bytes);
        let largest = row.clone().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        rounded.scales.push(scale);
        rounded.integers.extend(row.map(|weight| ((weight / scale).round() as i8).cast_unsigned()));
    }
    Ok(rounded)
}

/// Declares the version of the operators that the new nodes need.
fn raise_version(model: &mut ModelProto) -> Result<(), ModelError> {
    let operators = model.graph.iter().flat_map(|graph| &graph.node);
    let changed = operators
        .filter(|node| !node.name().contains("/int8/"))
        .find(|node| !node.domain().is_empty() || !UNCHANGED_OPERATORS.contains(&node.op_type()));
    let Some(set) = model.opset_import.iter_mut().find(|set| set.domain().is_empty()) else {
        let version = Some(FIRST_WITH_SCALES_OF_CHANNELS);
        model.opset_import.push(OperatorSetIdProto { domain: None, version });
        return Ok(());
    };
    if set.version() >= FIRST_WITH_SCALES_OF_CHANNELS {
        return Ok(());
    }
    if set.version() < OLDEST_VERSION || changed.is_some() {
        let operator = changed.map_or("one of them", NodeProto::op_type);
        return Err(ModelError::Graph(format!(
            "its operators are of version {}, and {operator} may compute something else in version \
             {FIRST_WITH_SCALES_OF_CHANNELS}, which layers of 8 bits need",
            set.version()
        )));
    }
    set.version = Some(FIRST_WITH_SCALES_OF_CHANNELS);
    model.ir_version = model.ir_version.max(Some(FORMAT_OF_THAT_VERSION));
    Ok(())
}

#[cfg(test)]
mod tests;
