#pragma once

#include "bulwarkctl/options.hpp"

namespace bulwarkctl {

// Each does what its help says, prints to stdout, and throws failure where it can't.

void list(const options& wanted);
void stats(const options& wanted);
void nodes(const options& wanted);
void journal(const options& wanted);
void events(const options& wanted);
void breaker(const options& wanted);
void policy(const options& wanted);
void config_check(const options& wanted);
void config_diff(const options& wanted);
void config_reload(const options& wanted);
void call(const options& wanted);
void top(const options& wanted);
void completion(const options& wanted);
void complete(const options& wanted);
void manual(const options& wanted);

} // namespace bulwarkctl
