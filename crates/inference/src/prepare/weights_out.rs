use std::collections::HashSet;

use bytes::Bytes;
use prost::Message;

use super::{FIRST_WITHOUT_WEIGHTS_AS_INPUTS, WEIGHTS_IN_SECOND_FILE, not_an_onnx_file};
use crate::{model_error::ModelError, onnx};

/// A file whose weights stay encoded: decoding 10 million numbers takes a sixth of a start.
#[derive(Clone, PartialEq, Message)]
struct EncodedModel {
    #[prost(int64, optional, tag = "1")]
    ir_version: Option<i64>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    producer_name: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "3")]
    producer_version: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "4")]
    domain: Option<Bytes>,
    #[prost(int64, optional, tag = "5")]
    model_version: Option<i64>,
    #[prost(bytes = "bytes", optional, tag = "6")]
    doc_string: Option<Bytes>,
    #[prost(message, optional, tag = "7")]
    graph: Option<EncodedGraph>,
    #[prost(bytes = "bytes", repeated, tag = "8")]
    opset_import: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "14")]
    metadata_props: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "20")]
    training_info: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "25")]
    functions: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "26")]
    configuration: Vec<Bytes>,
}

/// A graph whose parts stay encoded.
#[derive(Clone, PartialEq, Message)]
struct EncodedGraph {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    node: Vec<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    name: Option<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    initializer: Vec<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "10")]
    doc_string: Option<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "11")]
    input: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "12")]
    output: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "13")]
    value_info: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "14")]
    quantization_annotation: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "15")]
    sparse_initializer: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "16")]
    metadata_props: Vec<Bytes>,
}

/// What tells a weight, of the fields of a tensor.
#[derive(Clone, PartialEq, Message)]
struct WeightName {
    #[prost(string, optional, tag = "8")]
    name: Option<String>,
    #[prost(int32, optional, tag = "14")]
    data_location: Option<i32>,
}

/// What tells an input, of the fields of a value.
#[derive(Clone, PartialEq, Message)]
struct InputName {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
}

/// Removes weights from the inputs of a file, as
/// [`WeightsOutOfInputs`](crate::PreparationStep::WeightsOutOfInputs), without decoding them.
///
/// # Errors
///
/// [`ModelError::Graph`] when the bytes are not an ONNX graph, or its weights are in a second file.
pub(crate) fn take_weights_out_of_inputs(bytes: Vec<u8>) -> Result<Vec<u8>, ModelError> {
    let mut model = EncodedModel::decode(Bytes::from(bytes)).map_err(|error| not_an_onnx_file(&error))?;
    let graph = model.graph.as_mut().ok_or_else(|| ModelError::Graph("the file has no graph".to_owned()))?;
    let mut weights = HashSet::new();
    for weight in &graph.initializer {
        let weight = WeightName::decode(weight.clone()).map_err(|error| not_an_onnx_file(&error))?;
        if weight.data_location == Some(onnx::EXTERNAL) {
            return Err(ModelError::Graph(WEIGHTS_IN_SECOND_FILE.to_owned()));
        }
        weights.insert(weight.name.unwrap_or_default());
    }
    let mut inputs = Vec::new();
    for input in std::mem::take(&mut graph.input) {
        let name = InputName::decode(input.clone())
            .map_err(|error| not_an_onnx_file(&error))?
            .name
            .unwrap_or_default();
        if !weights.contains(&name) {
            inputs.push(input);
        }
    }
    graph.input = inputs;
    model.ir_version = model.ir_version.max(Some(FIRST_WITHOUT_WEIGHTS_AS_INPUTS));
    Ok(model.encode_to_vec())
}
