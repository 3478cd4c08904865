// How far apart the weights of two policies of one base are.
#pragma once

#include <optional>

#include "model/model.h"

namespace pawl {

// Frobenius norm over all weights of the model.
double WeightNorm(Model& model);
// Of the difference of two models of one shape.
double WeightDistance(Model& a, Model& b);

// Of scale * B A over all modules, and of the difference of two adapters of one shape, from Gram
// matrices of rank x rank: nothing of the weights' size is made.
double AdapterDistance(Adapter& a, Adapter& b);

struct RankUse {
  double effective = 0;  // mean over modules whose B is not zero
  int modules = 0;
};
RankUse AdapterRank(Adapter& adapter);

}  // namespace pawl
