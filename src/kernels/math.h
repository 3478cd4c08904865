// Elementary functions with one result everywhere: libm differs by version and CPU, so numbers that
// enter weights, log-probabilities or records use these.  Scalar forms here; the vector kernels
// evaluate the same operations lane by lane and give the same bits.
#pragma once

namespace pawl {

// float32, about 1 to 2 ulp.  Exp(0) = 1, Exp(-inf) = 0, overflow gives inf, NaN passes.
float ExpF(float x);
float LogF(float x);       // x > 0; LogF(0) = -inf
float SigmoidF(float x);   // 1 / (1 + exp(-x))
float Log1pNegF(float u);  // log1p(-u) for u in (0, 1)

// double, below 2 ulp on the ranges used: RoPE angles up to 2^20, schedules, theta^x.
double ExpD(double x);
double LogD(double x);
double SinD(double x);
double CosD(double x);
double PowD(double base, double exponent);  // base > 0

}  // namespace pawl
