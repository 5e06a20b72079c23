// SPDX-License-Identifier: Apache-2.0
#include "nf3.hpp"
#include "percentile.hpp"

DETENT_LIBRARY(northwind::Percentile, northwind::Nf3);
