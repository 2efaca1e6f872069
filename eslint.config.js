import tseslint from "typescript-eslint";
import importX from "eslint-plugin-import-x";

const GRPC = [
  { group: ["@grpc/*", "**/gen/**", "@bufbuild/*"], message: "Only src/bridge and servers speak gRPC." },
];
const IO = ["fs", "node:fs", "node:fs/promises", "node:child_process", "node:net", "node:http", "execa"].map((name) => ({
  name,
  message: "src/connect and src/evaluate are pure: no input or output.",
}));

export default tseslint.config(
  { ignores: ["dist/**", "src/bridge/gen/**", "py-worker/**", "node_modules/**", "runs/**"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["*.js", "*.ts"] }, tsconfigRootDir: import.meta.dirname } },
    plugins: { "import-x": importX },
    settings: { "import-x/resolver-next": [importX.createNodeResolver({ extensions: [".ts", ".js"], extensionAlias: { ".js": [".ts", ".js"] } })] },
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
      "import-x/no-cycle": "error",
      "max-lines": ["error", { max: 400 }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unnecessary-condition": ["error", { allowConstantLoopConditions: true }],
    },
  },
  { files: ["src/**/*.ts"], ignores: ["src/bridge/**", "src/serve/**"], rules: { "no-restricted-imports": ["error", { patterns: GRPC }] } },
  { files: ["src/connect/**/*.ts", "src/evaluate/**/*.ts"], rules: { "no-restricted-imports": ["error", { patterns: GRPC, paths: IO }] } },
  { files: ["scripts/**", "*.js", "test/**"], extends: [tseslint.configs.disableTypeChecked], rules: { "max-lines": ["error", { max: 400 }] } },
);
