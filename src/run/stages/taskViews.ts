export { taskViews } from "../../config/compiled.js";
