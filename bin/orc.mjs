#!/usr/bin/env -S node --enable-source-maps --no-warnings
import '../dist/orc.mjs';
