// For the page of ofrep_web.test.mjs: OpenFeature's SDK and its provider for browsers, as an application has them.

import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";

Object.assign(globalThis, { OFREPWebProvider, OpenFeature, ProviderEvents });
