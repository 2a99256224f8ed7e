// The runtime's own share: a worker with the same classes of objects, all empty.

import { DurableObject } from "cloudflare:workers";

export class IdentityObject extends DurableObject {}
export class EnvironmentObject extends DurableObject {}
export class RegistryObject extends DurableObject {}
export class AnalyticsObject extends DurableObject {}
export class DirectoryObject extends DurableObject {}

export default {
  fetch() {
    return new Response();
  },
};
