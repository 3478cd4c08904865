// Elementary functions over sixteen lanes; included after lanes_*.h inside an anonymous namespace.

// exp by 2^n * p(r), r = x - n ln 2, |r| <= ln 2 / 2; minimax degree 6 (coefficients as in Cephes'
// expf). Below -86 the result is 0; above 88.73 infinity; NaN passes.
inline V Exp(V x) {
  const V clipped = Min(Set(89.0f), x);
  const V n = Round(Mul(clipped, Set(1.44269504088896341f)));
  V r = Fma(n, Set(-0.693359375f), clipped);
  r = Fma(n, Set(2.12194440e-4f), r);
  V p = Set(1.9875691500e-4f);
  p = Fma(p, r, Set(1.3981999507e-3f));
  p = Fma(p, r, Set(8.3334519073e-3f));
  p = Fma(p, r, Set(4.1665795894e-2f));
  p = Fma(p, r, Set(1.6666665459e-1f));
  p = Fma(p, r, Set(5.0000001201e-1f));
  p = Fma(p, Mul(r, r), Add(r, Set(1.0f)));
  // 2^(n-1), then doubled, so that n = 128 still has an exponent.
  const I bits = ShiftLeft<23>(AddI(ToInt(n), SetI(126)));
  const V y = Mul(Mul(p, BitsToFloat(bits)), Set(2.0f));
  return WhereLess(x, Set(-86.0f), Set(0.0f), y);
}

// Natural logarithm of normal x > 0: x = m 2^e, m in [sqrt(1/2), sqrt(2)); polynomial as in Cephes'
// logf. Below the smallest normal number: -infinity.
inline V Log(V x) {
  const I bits = FloatToBits(x);
  // Exponent of x * sqrt(2): puts the mantissa into [sqrt(1/2), sqrt(2)).
  const I shifted = AddI(bits, SetI(0x3f800000u - 0x3f3504f3u));
  const I e = AddI(ShiftRight<23>(shifted), SetI(static_cast<std::uint32_t>(-127)));
  const V m = BitsToFloat(AddI(AndI(shifted, SetI(0x007fffffu)), SetI(0x3f3504f3u)));
  const V f = Sub(m, Set(1.0f));
  const V z = Mul(f, f);
  V p = Set(7.0376836292e-2f);
  p = Fma(p, f, Set(-1.1514610310e-1f));
  p = Fma(p, f, Set(1.1676998740e-1f));
  p = Fma(p, f, Set(-1.2420140846e-1f));
  p = Fma(p, f, Set(1.4249322787e-1f));
  p = Fma(p, f, Set(-1.6668057665e-1f));
  p = Fma(p, f, Set(2.0000714765e-1f));
  p = Fma(p, f, Set(-2.4999993993e-1f));
  p = Fma(p, f, Set(3.3333331174e-1f));
  V y = Mul(Mul(p, f), z);
  const V exponent = IntToFloat(e);
  y = Fma(exponent, Set(-2.12194440e-4f), y);
  y = Fma(Set(-0.5f), z, y);
  y = Add(f, y);
  y = Fma(exponent, Set(0.693359375f), y);
  return WhereLess(x, Set(1.17549435e-38f), Set(-__builtin_inff()), y);
}

inline V Sigmoid(V x) { return Div(Set(1.0f), Add(Set(1.0f), Exp(Sub(Set(0.0f), x)))); }

// -log1p(-v) for v in (0, 1]: Kahan's form log(w) * v / (1 - w) with w = 1 - v; v itself where w
// rounds to 1.
inline V NegLog1pNeg(V v) {
  const V w = Sub(Set(1.0f), v);
  const V distance = Sub(Set(1.0f), w);
  const V y = Mul(Sub(Set(0.0f), Log(w)), Div(v, distance));
  return WhereLess(Set(0.0f), distance, y, v);
}
