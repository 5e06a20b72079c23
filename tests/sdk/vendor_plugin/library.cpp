// SPDX-License-Identifier: Apache-2.0
#include "plugins.hpp"

DETENT_LIBRARY(acme::AbsMax, acme::Int3);
