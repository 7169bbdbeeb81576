#include "engine/backend/cuda/dnn.h"

const df_cuda_dnn_ops df_cuda_dnn = {
    .create = cudnnCreate,
    .destroy = cudnnDestroy,
    .set_stream = cudnnSetStream,
    .status_text = cudnnGetErrorString,
    .tensor_create = cudnnCreateTensorDescriptor,
    .tensor_destroy = cudnnDestroyTensorDescriptor,
    .tensor_set = cudnnSetTensor4dDescriptor,
    .filter_create = cudnnCreateFilterDescriptor,
    .filter_destroy = cudnnDestroyFilterDescriptor,
    .filter_set = cudnnSetFilter4dDescriptor,
    .conv_create = cudnnCreateConvolutionDescriptor,
    .conv_destroy = cudnnDestroyConvolutionDescriptor,
    .conv_set = cudnnSetConvolution2dDescriptor,
    .conv_set_math = cudnnSetConvolutionMathType,
    .conv_workspace = cudnnGetConvolutionForwardWorkspaceSize,
    .conv_forward = cudnnConvolutionForward,
};
