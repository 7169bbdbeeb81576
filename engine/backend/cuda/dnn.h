/* cuDNN's convolution as a table of functions, as runtime.h is of the CUDA runtime. `df_cuda_dnn` is the library's own
 * (dnn_real.c) or the tests' double. Entries are the functions of their names. */
#ifndef DF_ENGINE_BACKEND_CUDA_DNN_H
#define DF_ENGINE_BACKEND_CUDA_DNN_H

#include <cudnn.h>

typedef struct df_cuda_dnn_ops {
    cudnnStatus_t (*create)(cudnnHandle_t *h);
    cudnnStatus_t (*destroy)(cudnnHandle_t h);
    cudnnStatus_t (*set_stream)(cudnnHandle_t h, cudaStream_t s);
    const char *(*status_text)(cudnnStatus_t s);
    cudnnStatus_t (*tensor_create)(cudnnTensorDescriptor_t *t);
    cudnnStatus_t (*tensor_destroy)(cudnnTensorDescriptor_t t);
    cudnnStatus_t (*tensor_set)(cudnnTensorDescriptor_t t, cudnnTensorFormat_t format, cudnnDataType_t type, int n,
                                int c, int h, int w); /* cudnnSetTensor4dDescriptor */
    cudnnStatus_t (*filter_create)(cudnnFilterDescriptor_t *f);
    cudnnStatus_t (*filter_destroy)(cudnnFilterDescriptor_t f);
    cudnnStatus_t (*filter_set)(cudnnFilterDescriptor_t f, cudnnDataType_t type, cudnnTensorFormat_t format, int out,
                                int in, int h, int w); /* cudnnSetFilter4dDescriptor */
    cudnnStatus_t (*conv_create)(cudnnConvolutionDescriptor_t *c);
    cudnnStatus_t (*conv_destroy)(cudnnConvolutionDescriptor_t c);
    cudnnStatus_t (*conv_set)(cudnnConvolutionDescriptor_t c, int pad_h, int pad_w, int stride_h, int stride_w,
                              int dilation_h, int dilation_w, cudnnConvolutionMode_t mode,
                              cudnnDataType_t compute); /* cudnnSetConvolution2dDescriptor */
    cudnnStatus_t (*conv_set_math)(cudnnConvolutionDescriptor_t c, cudnnMathType_t math);
    cudnnStatus_t (*conv_workspace)(cudnnHandle_t h, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
                                    cudnnConvolutionDescriptor_t c, cudnnTensorDescriptor_t y,
                                    cudnnConvolutionFwdAlgo_t algo, size_t *bytes);
    cudnnStatus_t (*conv_forward)(cudnnHandle_t h, const void *alpha, cudnnTensorDescriptor_t x_desc, const void *x,
                                  cudnnFilterDescriptor_t w_desc, const void *w, cudnnConvolutionDescriptor_t c,
                                  cudnnConvolutionFwdAlgo_t algo, void *workspace, size_t workspace_bytes,
                                  const void *beta, cudnnTensorDescriptor_t y_desc, void *y);
} df_cuda_dnn_ops;

extern const df_cuda_dnn_ops df_cuda_dnn;

#endif
