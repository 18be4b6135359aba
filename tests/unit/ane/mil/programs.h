// Small programs in the spellings that published tools use, written out here.

#pragma once

#include <string>
#include <string_view>

namespace attune::ane::mil {

inline constexpr std::string_view kHead =
    "program(1.3)\n"
    "[buildInfo = dict<string, string>({{\"coremlc-component-MIL\", \"3510.2.1\"}, "
    "{\"coremlc-version\", \"3505.4.1\"}, {\"coremltools-component-milinternal\", \"\"}, "
    "{\"coremltools-version\", \"9.0\"}})]\n{\n";

// 1. fp32 in and out, fp16 between.
inline std::string ElementwiseProgram() {
  return std::string(kHead) + R"(
    func main<ios18>(tensor<fp32, [1, 256, 1, 64]> x) {
        string d16 = const()[name = string("d16"), val = string("fp16")];
        tensor<fp16, [1, 256, 1, 64]> xh = cast(dtype = d16, x = x)[name = string("xh")];
        fp16 two = const()[name = string("two"), val = fp16(2.0)];
        tensor<fp16, [1, 256, 1, 64]> yh = mul(x = xh, y = two)[name = string("yh")];
        string d32 = const()[name = string("d32"), val = string("fp32")];
        tensor<fp32, [1, 256, 1, 64]> y = cast(dtype = d32, x = yh)[name = string("y")];
    } -> (y);
})";
}

// What every convolution here is told, then the weights.
inline constexpr std::string_view kConvParameters = R"(
        string pt = const()[name=string("pt"), val=string("valid")];
        tensor<int32, [2]> st = const()[name=string("st"), val=tensor<int32, [2]>([1,1])];
        tensor<int32, [4]> pd = const()[name=string("pd"), val=tensor<int32, [4]>([0,0,0,0])];
        tensor<int32, [2]> dl = const()[name=string("dl"), val=tensor<int32, [2]>([1,1])];
        int32 gr = const()[name=string("gr"), val=int32(1)];
)";

inline std::string Weight(std::string_view name, std::string_view type, int offset) {
  return "        " + std::string(type) + " " + std::string(name) + " = const()[name=string(\"" +
         std::string(name) + "\"), val=" + std::string(type) +
         "(BLOBFILE(path=string(\"@model_path/weights/weight.bin\"), offset=uint64(" +
         std::to_string(offset) + ")))];\n";
}

// 2. A linear layer as a 1x1 convolution.
inline std::string ConvProgram() {
  return std::string(kHead) + "func main<ios18>(tensor<fp16, [1,64,1,32]> x) {" +
         std::string(kConvParameters) + Weight("W", "tensor<fp16, [128,64,1,1]>", 64) +
         "tensor<fp16, [1,128,1,32]> y = conv(dilations=dl, groups=gr, pad=pd, pad_type=pt, "
         "strides=st, weight=W, x=x)[name=string(\"y\")];\n} -> (y);\n}\n";
}

// 3. Two weights in one file, one convolution after the other.
inline std::string TwoConvProgram() {
  const int second = 64 + 64 + 128 * 64 * 2;
  return std::string(kHead) + "func main<ios18>(tensor<fp16, [1,64,1,32]> x) {" +
         std::string(kConvParameters) + Weight("W1", "tensor<fp16, [128,64,1,1]>", 64) +
         Weight("W2", "tensor<fp16, [64,128,1,1]>", second) +
         "tensor<fp16, [1,128,1,32]> h = conv(dilations=dl, groups=gr, pad=pd, pad_type=pt, "
         "strides=st, weight=W1, x=x)[name=string(\"h\")];\n"
         "tensor<fp16, [1,64,1,32]> y = conv(dilations=dl, groups=gr, pad=pd, pad_type=pt, "
         "strides=st, weight=W2, x=h)[name=string(\"y\")];\n} -> (y);\n}\n";
}

// 4. Activations and weights side by side in one input.
inline std::string PackedProgram() {
  return std::string(kHead) + R"(
    func main<ios18>(tensor<fp16, [1,64,1,96]> p) {
        tensor<int32, [4]> b0 = const()[name=string("b0"), val=tensor<int32, [4]>([0,0,0,0])];
        tensor<int32, [4]> s0 = const()[name=string("s0"), val=tensor<int32, [4]>([1,64,1,32])];
        tensor<fp16, [1,64,1,32]> a = slice_by_size(x=p,begin=b0,size=s0)[name=string("a")];
        tensor<int32, [4]> b1 = const()[name=string("b1"), val=tensor<int32, [4]>([0,0,0,32])];
        tensor<int32, [4]> s1 = const()[name=string("s1"), val=tensor<int32, [4]>([1,64,1,64])];
        tensor<fp16, [1,64,1,64]> w = slice_by_size(x=p,begin=b1,size=s1)[name=string("w")];
        tensor<int32, [4]> ra = const()[name=string("ra"), val=tensor<int32, [4]>([1,1,64,32])];
        tensor<fp16, [1,1,64,32]> ar = reshape(shape=ra,x=a)[name=string("ar")];
        tensor<int32, [4]> pm = const()[name=string("pm"), val=tensor<int32, [4]>([0,1,3,2])];
        tensor<fp16, [1,1,32,64]> at = transpose(perm=pm,x=ar)[name=string("at")];
        tensor<int32, [4]> rw = const()[name=string("rw"), val=tensor<int32, [4]>([1,1,64,64])];
        tensor<fp16, [1,1,64,64]> wr = reshape(shape=rw,x=w)[name=string("wr")];
        bool bF = const()[name=string("bF"), val=bool(false)];
        tensor<fp16, [1,1,32,64]> m = matmul(transpose_x=bF,transpose_y=bF,x=at,y=wr)[name=string("m")];
        tensor<fp16, [1,1,64,32]> mt = transpose(perm=pm,x=m)[name=string("mt")];
        tensor<int32, [4]> ro = const()[name=string("ro"), val=tensor<int32, [4]>([1,64,1,32])];
        tensor<fp16, [1,64,1,32]> y = reshape(shape=ro,x=mt)[name=string("y")];
    } -> (y);
})";
}

// 5. A convolution with a low-rank branch whose two factors are inputs.
inline std::string LoraProgram() {
  return std::string(kHead) +
         "func main<ios18>(tensor<fp16, [1,64,1,32]> x, tensor<fp16, [1,64,1,32]> A, "
         "tensor<fp16, [1,128,1,32]> B) {" +
         std::string(kConvParameters) + Weight("W", "tensor<fp16, [128,64,1,1]>", 64) + R"(
        tensor<fp16, [1,128,1,32]> base = conv(dilations=dl, groups=gr, pad=pd, pad_type=pt, strides=st, weight=W, x=x)[name=string("base")];
        tensor<int32, [4]> pf = const()[name=string("pf"), val=tensor<int32, [4]>([0,2,3,1])];
        tensor<int32, [4]> pb = const()[name=string("pb"), val=tensor<int32, [4]>([0,3,1,2])];
        tensor<int32, [4]> ra = const()[name=string("ra"), val=tensor<int32, [4]>([1,1,64,32])];
        tensor<int32, [4]> rb = const()[name=string("rb"), val=tensor<int32, [4]>([1,1,128,32])];
        tensor<fp16, [1,1,32,64]> xt = transpose(perm=pf, x=x)[name=string("xt")];
        tensor<fp16, [1,1,64,32]> At = reshape(shape=ra, x=A)[name=string("At")];
        tensor<fp16, [1,1,128,32]> Bt = reshape(shape=rb, x=B)[name=string("Bt")];
        bool no = const()[name=string("no"), val=bool(false)];
        bool yes = const()[name=string("yes"), val=bool(true)];
        tensor<fp16, [1,1,32,32]> u = matmul(transpose_x=no, transpose_y=no, x=xt, y=At)[name=string("u")];
        tensor<fp16, [1,1,32,128]> v = matmul(transpose_x=no, transpose_y=yes, x=u, y=Bt)[name=string("v")];
        fp16 scale = const()[name=string("scale"), val=fp16(0x1p+1)];
        tensor<fp16, [1,1,32,128]> vs = mul(x=v, y=scale)[name=string("vs")];
        tensor<fp16, [1,128,1,32]> vb = transpose(perm=pb, x=vs)[name=string("vb")];
        tensor<fp16, [1,128,1,32]> y = add(x=base, y=vb)[name=string("y")];
    } -> (y);
})";
}

// 6. Two procedures of one bank.
inline std::string BankProgram() {
  std::string text(kHead);
  int offset = 64;
  for (const std::string_view name : {"procedure000", "procedure001"}) {
    text += "func " + std::string(name) + "<ios18>(tensor<fp16, [1,64,1,32]> x) {" +
            std::string(kConvParameters) + Weight("W", "tensor<fp16, [64,64,1,1]>", offset) +
            "tensor<fp16, [1,64,1,32]> y = conv(dilations=dl, groups=gr, pad=pd, pad_type=pt, "
            "strides=st, weight=W, x=x);\n} -> (y);\n";
    offset += 64 + 64 * 64 * 2;
  }
  return text + "}\n";
}

// A norm, merged q/k/v, masked attention of four heads, and taps in one output, as
// trainers without recompilation write it.
inline std::string AttentionProgram() {
  return std::string(kHead) + "func main<ios18>(tensor<fp16, [1,64,1,64]> x) {" +
         std::string(kConvParameters) + Weight("Wqkv", "tensor<fp16, [192,64,1,1]>", 64) +
         Weight("Wo", "tensor<fp16, [64,64,1,1]>", 64 + 64 + 192 * 64 * 2) +
         Weight("mask", "tensor<fp16, [1,1,64,64]>", 64 + 64 + 192 * 64 * 2 + 64 + 64 * 64 * 2) +
         R"(
        tensor<fp16, [1,64,1,64]> sq = mul(x=x,y=x)[name=string("sq")];
        tensor<int32, [1]> ax = const()[name=string("ax"), val=tensor<int32, [1]>([1])];
        bool kd = const()[name=string("kd"), val=bool(true)];
        tensor<fp16, [1,1,1,64]> ss = reduce_sum(x=sq,axes=ax,keep_dims=kd)[name=string("ss")];
        fp16 inv = const()[name=string("inv"), val=fp16(0x1p-6)];
        tensor<fp16, [1,1,1,64]> ms = mul(x=ss,y=inv)[name=string("ms")];
        fp16 eps = const()[name=string("eps"), val=fp16(0.00001)];
        tensor<fp16, [1,1,1,64]> me = add(x=ms,y=eps)[name=string("me")];
        fp16 nh = const()[name=string("nh"), val=fp16(-0.5)];
        tensor<fp16, [1,1,1,64]> rs = pow(x=me,y=nh)[name=string("rs")];
        tensor<fp16, [1,64,1,64]> xn = mul(x=x,y=rs)[name=string("xn")];
        tensor<fp16, [1,192,1,64]> qkv = conv(dilations=dl,groups=gr,pad=pd,pad_type=pt,strides=st,weight=Wqkv,x=xn)[name=string("qkv")];
        tensor<int32, [4]> hs = const()[name=string("hs"), val=tensor<int32, [4]>([1,12,16,64])];
        tensor<fp16, [1,12,16,64]> heads = reshape(shape=hs,x=qkv)[name=string("heads")];
        tensor<int32, [4]> size = const()[name=string("size"), val=tensor<int32, [4]>([1,4,16,64])];
        tensor<int32, [4]> bq = const()[name=string("bq"), val=tensor<int32, [4]>([0,0,0,0])];
        tensor<int32, [4]> bk = const()[name=string("bk"), val=tensor<int32, [4]>([0,4,0,0])];
        tensor<int32, [4]> bv = const()[name=string("bv"), val=tensor<int32, [4]>([0,8,0,0])];
        tensor<fp16, [1,4,16,64]> q = slice_by_size(x=heads,begin=bq,size=size)[name=string("q")];
        tensor<fp16, [1,4,16,64]> k = slice_by_size(x=heads,begin=bk,size=size)[name=string("k")];
        tensor<fp16, [1,4,16,64]> v = slice_by_size(x=heads,begin=bv,size=size)[name=string("v")];
        bool bT = const()[name=string("bT"), val=bool(true)];
        bool bF = const()[name=string("bF"), val=bool(false)];
        tensor<fp16, [1,4,64,64]> sc = matmul(transpose_x=bT,transpose_y=bF,x=q,y=k)[name=string("sc")];
        fp16 quarter = const()[name=string("quarter"), val=fp16(0x1p-2)];
        tensor<fp16, [1,4,64,64]> scs = mul(x=sc,y=quarter)[name=string("scs")];
        tensor<fp16, [1,4,64,64]> scm = add(x=scs,y=mask)[name=string("scm")];
        int32 last = const()[name=string("last"), val=int32(-1)];
        tensor<fp16, [1,4,64,64]> p = softmax(axis=last,x=scm)[name=string("p")];
        tensor<fp16, [1,4,16,64]> ctx = matmul(transpose_x=bF,transpose_y=bT,x=v,y=p)[name=string("ctx")];
        tensor<int32, [4]> fs = const()[name=string("fs"), val=tensor<int32, [4]>([1,64,1,64])];
        tensor<fp16, [1,64,1,64]> flat = reshape(shape=fs,x=ctx)[name=string("flat")];
        tensor<fp16, [1,64,1,64]> o = conv(dilations=dl,groups=gr,pad=pd,pad_type=pt,strides=st,weight=Wo,x=flat)[name=string("o")];
        int32 one = const()[name=string("one"), val=int32(1)];
        tensor<fp16, [1,320,1,64]> out = concat(axis=one,interleave=bF,values=(o,qkv,flat))[name=string("out")];
    } -> (out);
})";
}

}  // namespace attune::ane::mil
