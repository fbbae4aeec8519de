//! The protobuf messages of an ONNX file, so that one can be read and written back unchanged.
//!
//! Names and numbers are those of `onnx.proto` up to IR version 14. Every field is listed, because a missing field
//! would be dropped on writing. Fields keep their presence (`optional`) and their packing, so that a file of the
//! reference implementation is written back byte for byte. The large fields are parts of the file, which are not copied.

use bytes::Bytes;
use prost::{Message, Oneof};

use crate::model_error::ModelError;

/// Element type `float32` of a [`TensorProto`].
pub(crate) const FLOAT: i32 = 1;
/// Element type `uint8` of a [`TensorProto`].
pub(crate) const UINT8: i32 = 2;
/// Element type `int8` of a [`TensorProto`].
pub(crate) const INT8: i32 = 3;
/// Element type `int64` of a [`TensorProto`].
pub(crate) const INT64: i32 = 7;
/// Attribute type `INT`.
pub(crate) const INT: i32 = 2;
/// Attribute type `INTS`.
pub(crate) const INTS: i32 = 7;
/// `data_location` of a tensor whose data is in a second file.
pub(crate) const EXTERNAL: i32 = 1;

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Message)]
            pub(crate) struct $name { $($(#[$attribute])* pub(crate) $field: $type),* }
        )*
    };
}

messages! {
    /// A file.
    ModelProto {
        #[prost(int64, optional, tag = "1")] ir_version: Option<i64>,
        #[prost(string, optional, tag = "2")] producer_name: Option<String>,
        #[prost(string, optional, tag = "3")] producer_version: Option<String>,
        #[prost(string, optional, tag = "4")] domain: Option<String>,
        #[prost(int64, optional, tag = "5")] model_version: Option<i64>,
        #[prost(string, optional, tag = "6")] doc_string: Option<String>,
        #[prost(message, optional, tag = "7")] graph: Option<GraphProto>,
        #[prost(message, repeated, tag = "8")] opset_import: Vec<OperatorSetIdProto>,
        #[prost(message, repeated, tag = "14")] metadata_props: Vec<StringStringEntryProto>,
        #[prost(message, repeated, tag = "20")] training_info: Vec<TrainingInfoProto>,
        #[prost(message, repeated, tag = "25")] functions: Vec<FunctionProto>,
        #[prost(message, repeated, tag = "26")] configuration: Vec<DeviceConfigurationProto>,
    }
    /// Nodes in execution order, inputs, outputs and weights.
    GraphProto {
        #[prost(message, repeated, tag = "1")] node: Vec<NodeProto>,
        #[prost(string, optional, tag = "2")] name: Option<String>,
        #[prost(message, repeated, tag = "5")] initializer: Vec<TensorProto>,
        #[prost(string, optional, tag = "10")] doc_string: Option<String>,
        #[prost(message, repeated, tag = "11")] input: Vec<ValueInfoProto>,
        #[prost(message, repeated, tag = "12")] output: Vec<ValueInfoProto>,
        #[prost(message, repeated, tag = "13")] value_info: Vec<ValueInfoProto>,
        #[prost(message, repeated, tag = "14")] quantization_annotation: Vec<TensorAnnotation>,
        #[prost(message, repeated, tag = "15")] sparse_initializer: Vec<SparseTensorProto>,
        #[prost(message, repeated, tag = "16")] metadata_props: Vec<StringStringEntryProto>,
    }
    /// One operation.
    NodeProto {
        #[prost(string, repeated, tag = "1")] input: Vec<String>,
        #[prost(string, repeated, tag = "2")] output: Vec<String>,
        #[prost(string, optional, tag = "3")] name: Option<String>,
        #[prost(string, optional, tag = "4")] op_type: Option<String>,
        #[prost(message, repeated, tag = "5")] attribute: Vec<AttributeProto>,
        #[prost(string, optional, tag = "6")] doc_string: Option<String>,
        #[prost(string, optional, tag = "7")] domain: Option<String>,
        #[prost(string, optional, tag = "8")] overload: Option<String>,
        #[prost(message, repeated, tag = "9")] metadata_props: Vec<StringStringEntryProto>,
        #[prost(message, repeated, tag = "10")] device_configurations: Vec<NodeDeviceConfigurationProto>,
    }
    /// A constant of a node.
    AttributeProto {
        #[prost(string, optional, tag = "1")] name: Option<String>,
        #[prost(float, optional, tag = "2")] f: Option<f32>,
        #[prost(int64, optional, tag = "3")] i: Option<i64>,
        #[prost(bytes = "vec", optional, tag = "4")] s: Option<Vec<u8>>,
        #[prost(message, optional, tag = "5")] t: Option<TensorProto>,
        #[prost(message, optional, tag = "6")] g: Option<GraphProto>,
        #[prost(float, repeated, packed = "false", tag = "7")] floats: Vec<f32>,
        #[prost(int64, repeated, packed = "false", tag = "8")] ints: Vec<i64>,
        #[prost(bytes = "vec", repeated, tag = "9")] strings: Vec<Vec<u8>>,
        #[prost(message, repeated, tag = "10")] tensors: Vec<TensorProto>,
        #[prost(message, repeated, tag = "11")] graphs: Vec<GraphProto>,
        #[prost(string, optional, tag = "13")] doc_string: Option<String>,
        #[prost(message, optional, tag = "14")] tp: Option<TypeProto>,
        #[prost(message, repeated, tag = "15")] type_protos: Vec<TypeProto>,
        #[prost(int32, optional, tag = "20")] kind: Option<i32>,
        #[prost(string, optional, tag = "21")] ref_attr_name: Option<String>,
        #[prost(message, optional, tag = "22")] sparse_tensor: Option<SparseTensorProto>,
        #[prost(message, repeated, tag = "23")] sparse_tensors: Vec<SparseTensorProto>,
    }
    /// A tensor's numbers, either in the field of their type or as little-endian bytes.
    TensorProto {
        #[prost(int64, repeated, packed = "false", tag = "1")] dims: Vec<i64>,
        #[prost(int32, optional, tag = "2")] data_type: Option<i32>,
        #[prost(message, optional, tag = "3")] segment: Option<Segment>,
        /// As little-endian bytes too: the field is always packed.
        #[prost(bytes = "bytes", tag = "4")] float_data: Bytes,
        #[prost(int32, repeated, tag = "5")] int32_data: Vec<i32>,
        #[prost(bytes = "vec", repeated, tag = "6")] string_data: Vec<Vec<u8>>,
        #[prost(int64, repeated, tag = "7")] int64_data: Vec<i64>,
        #[prost(string, optional, tag = "8")] name: Option<String>,
        #[prost(bytes = "bytes", optional, tag = "9")] raw_data: Option<Bytes>,
        #[prost(double, repeated, tag = "10")] double_data: Vec<f64>,
        #[prost(uint64, repeated, tag = "11")] uint64_data: Vec<u64>,
        #[prost(string, optional, tag = "12")] doc_string: Option<String>,
        #[prost(message, repeated, tag = "13")] external_data: Vec<StringStringEntryProto>,
        #[prost(int32, optional, tag = "14")] data_location: Option<i32>,
        #[prost(message, repeated, tag = "16")] metadata_props: Vec<StringStringEntryProto>,
    }
    /// A part of a tensor.
    Segment {
        #[prost(int64, optional, tag = "1")] begin: Option<i64>,
        #[prost(int64, optional, tag = "2")] end: Option<i64>,
    }
    /// A tensor that is mostly zero.
    SparseTensorProto {
        #[prost(message, optional, tag = "1")] values: Option<TensorProto>,
        #[prost(message, optional, tag = "2")] indices: Option<TensorProto>,
        #[prost(int64, repeated, packed = "false", tag = "3")] dims: Vec<i64>,
    }
    /// The name and type of a value.
    ValueInfoProto {
        #[prost(string, optional, tag = "1")] name: Option<String>,
        #[prost(message, optional, tag = "2")] kind: Option<TypeProto>,
        #[prost(string, optional, tag = "3")] doc_string: Option<String>,
        #[prost(message, repeated, tag = "4")] metadata_props: Vec<StringStringEntryProto>,
    }
    /// The type of a value.
    TypeProto {
        #[prost(string, optional, tag = "6")] denotation: Option<String>,
        #[prost(oneof = "TypeValue", tags = "1, 4, 5, 7, 8, 9")] value: Option<TypeValue>,
    }
    /// A dense or sparse tensor's element type and shape.
    TensorType {
        #[prost(int32, optional, tag = "1")] elem_type: Option<i32>,
        #[prost(message, optional, tag = "2")] shape: Option<TensorShapeProto>,
    }
    /// A sequence's or optional's element.
    ElementType {
        #[prost(message, optional, boxed, tag = "1")] elem_type: Option<Box<TypeProto>>,
    }
    /// A map's key and value.
    MapType {
        #[prost(int32, optional, tag = "1")] key_type: Option<i32>,
        #[prost(message, optional, boxed, tag = "2")] value_type: Option<Box<TypeProto>>,
    }
    /// A type that only a specific runtime knows.
    OpaqueType {
        #[prost(string, optional, tag = "1")] domain: Option<String>,
        #[prost(string, optional, tag = "2")] name: Option<String>,
    }
    /// The sizes of a tensor.
    TensorShapeProto {
        #[prost(message, repeated, tag = "1")] dim: Vec<Dimension>,
    }
    /// One size, known or symbolic.
    Dimension {
        #[prost(string, optional, tag = "3")] denotation: Option<String>,
        #[prost(oneof = "DimensionValue", tags = "1, 2")] value: Option<DimensionValue>,
    }
    /// An operator set and its version.
    OperatorSetIdProto {
        #[prost(string, optional, tag = "1")] domain: Option<String>,
        #[prost(int64, optional, tag = "2")] version: Option<i64>,
    }
    /// A key and a value.
    StringStringEntryProto {
        #[prost(string, optional, tag = "1")] key: Option<String>,
        #[prost(string, optional, tag = "2")] value: Option<String>,
    }
    /// How a tensor was quantised.
    TensorAnnotation {
        #[prost(string, optional, tag = "1")] tensor_name: Option<String>,
        #[prost(message, repeated, tag = "2")] quant_parameter_tensor_names: Vec<StringStringEntryProto>,
    }
    /// How to continue the model's training.
    TrainingInfoProto {
        #[prost(message, optional, tag = "1")] initialization: Option<GraphProto>,
        #[prost(message, optional, tag = "2")] algorithm: Option<GraphProto>,
        #[prost(message, repeated, tag = "3")] initialization_binding: Vec<StringStringEntryProto>,
        #[prost(message, repeated, tag = "4")] update_binding: Vec<StringStringEntryProto>,
    }
    /// A function that nodes can name.
    FunctionProto {
        #[prost(string, optional, tag = "1")] name: Option<String>,
        #[prost(string, repeated, tag = "4")] input: Vec<String>,
        #[prost(string, repeated, tag = "5")] output: Vec<String>,
        #[prost(string, repeated, tag = "6")] attribute: Vec<String>,
        #[prost(message, repeated, tag = "7")] node: Vec<NodeProto>,
        #[prost(string, optional, tag = "8")] doc_string: Option<String>,
        #[prost(message, repeated, tag = "9")] opset_import: Vec<OperatorSetIdProto>,
        #[prost(string, optional, tag = "10")] domain: Option<String>,
        #[prost(message, repeated, tag = "11")] attribute_proto: Vec<AttributeProto>,
        #[prost(message, repeated, tag = "12")] value_info: Vec<ValueInfoProto>,
        #[prost(string, optional, tag = "13")] overload: Option<String>,
        #[prost(message, repeated, tag = "14")] metadata_props: Vec<StringStringEntryProto>,
    }
    /// A group of devices.
    DeviceConfigurationProto {
        #[prost(string, optional, tag = "1")] name: Option<String>,
        #[prost(int32, optional, tag = "2")] num_devices: Option<i32>,
        #[prost(string, repeated, tag = "3")] device: Vec<String>,
    }
    /// Where a node runs.
    NodeDeviceConfigurationProto {
        #[prost(string, optional, tag = "1")] configuration_id: Option<String>,
        #[prost(message, repeated, tag = "2")] sharding_spec: Vec<ShardingSpecProto>,
        #[prost(int32, optional, tag = "3")] pipeline_stage: Option<i32>,
    }
    /// How a tensor is distributed over devices.
    ShardingSpecProto {
        #[prost(string, optional, tag = "1")] tensor_name: Option<String>,
        #[prost(int64, repeated, packed = "false", tag = "2")] device: Vec<i64>,
        #[prost(message, repeated, tag = "3")] index_to_device_group_map: Vec<IntIntListEntryProto>,
        #[prost(message, repeated, tag = "4")] sharded_dim: Vec<ShardedDimProto>,
    }
    /// A key and a list.
    IntIntListEntryProto {
        #[prost(int64, optional, tag = "1")] key: Option<i64>,
        #[prost(int64, repeated, packed = "false", tag = "2")] value: Vec<i64>,
    }
    /// How an axis is distributed.
    ShardedDimProto {
        #[prost(int64, optional, tag = "1")] axis: Option<i64>,
        #[prost(message, repeated, tag = "2")] simple_sharding: Vec<SimpleShardedDimProto>,
    }
    /// One shard of an axis.
    SimpleShardedDimProto {
        #[prost(oneof = "DimensionValue", tags = "1, 2")] dim: Option<DimensionValue>,
        #[prost(int64, optional, tag = "3")] num_shards: Option<i64>,
    }
}

/// The kinds of types.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum TypeValue {
    #[prost(message, tag = "1")]
    Tensor(TensorType),
    #[prost(message, tag = "4")]
    Sequence(ElementType),
    #[prost(message, tag = "5")]
    Map(MapType),
    #[prost(message, tag = "7")]
    Opaque(OpaqueType),
    #[prost(message, tag = "8")]
    SparseTensor(TensorType),
    #[prost(message, tag = "9")]
    Optional(ElementType),
}

/// A size, known or symbolic.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum DimensionValue {
    #[prost(int64, tag = "1")]
    Known(i64),
    #[prost(string, tag = "2")]
    Named(String),
}

/// The numbers of a `float32` tensor, from either of its two fields.
pub(crate) fn floats(tensor: &TensorProto) -> Result<Vec<f32>, ModelError> {
    Ok(encoded_floats(tensor)?.iter().copied().map(f32::from_le_bytes).collect())
}

/// The numbers of a `float32` tensor as they are in the file, each as little-endian bytes.
pub(crate) fn encoded_floats(tensor: &TensorProto) -> Result<&[[u8; 4]], ModelError> {
    let (values, rest) = tensor.raw_data.as_ref().unwrap_or(&tensor.float_data).as_chunks();
    let expected = tensor.dims.iter().try_fold(1_i64, |size, length| size.checked_mul(*length));
    if tensor.data_type != Some(FLOAT) || i64::try_from(values.len()).ok() != expected || !rest.is_empty() {
        return Err(ModelError::Graph(format!(
            "tensor {}: expected float32 data of its declared size",
            tensor.name()
        )));
    }
    Ok(values)
}
